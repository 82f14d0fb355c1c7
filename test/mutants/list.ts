// Bugs that would delete, keep, open or tell something wrong, each a small change of the operator. Every one must be found; the list
// follows the code (a test plants each of them).

import type { PlantedBug } from "./plantedBug.ts";

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: "treat a timeout as not found",
    file: "operator/kubernetes/livePods.ts",
    find: '    if (isNotFound(error, { resource: "pods", name })) return undefined;\n    throw error;',
    plant: '    void isNotFound(error, { resource: "pods", name });\n    return undefined;',
  },
  {
    name: "take an unanswered list of pods for an empty one",
    file: "operator/pass/apply.ts",
    find: 'return { live: () => undefined, problem: unanswered("LiveReadFailed", what, error) };',
    plant: 'return { live: () => ({ kind: "listed", pods: [] }), problem: unanswered("LiveReadFailed", what, error) };',
  },
  {
    name: "act before the second page",
    file: "operator/kubernetes/livePods.ts",
    find: "  } while (token !== undefined);",
    plant: '  } while (token === "");',
  },
  {
    name: "key by name",
    file: "operator/farm/mark.ts",
    find: 'digits(9, "webfarm.dev/pod", uid) as PodHash);',
    plant: 'digits(9, "webfarm.dev/pod", uid.slice(0, 1)) as PodHash);',
  },
  {
    name: "forget the UID when a gate is opened",
    file: "operator/kubernetes/gate.ts",
    find: "metadata: { uid: pod.uid }, status",
    plant: "status",
  },
  {
    name: "forget the UID when a row is handed over",
    file: "operator/farm/confirm.ts",
    find: "pod.uid === claim.pod.uid && pod.name === claim.pod.name",
    plant: "pod.name === claim.pod.name",
  },
  {
    name: "leave the GUID out of the WHERE of a removal",
    file: "operator/sqlserver/statements.ts",
    find: " AND s.${quoted(servers.name)} = v.n AND s.${quoted(servers.guid)} = v.g`;",
    plant: " AND s.${quoted(servers.name)} = v.n AND v.g IS NOT NULL`;",
  },
  {
    name: "leave the GUID out of the WHERE of a mark",
    file: "operator/sqlserver/statements.ts",
    find: "AND (${guid} = v.g OR (${guid} IS NULL AND v.g IS NULL));",
    plant: "AND (${guid} = ${guid} OR v.g IS NULL OR v.g IS NOT NULL);",
  },
  {
    name: "mark without the pod",
    file: "operator/farm/mark.ts",
    find: "${n.slice(3)}${podHash(podUid)}`;",
    plant: "${n.slice(3)}${podHash(podUid.slice(0, 0) as PodUid)}`;",
  },
  {
    name: "mark without the namespace",
    file: "operator/farm/mark.ts",
    find: 'kind: mark.namespace === namespaceDigits(identity.namespaceUid) ? "ours" : "otherCluster"',
    plant: 'kind: mark.namespace === namespaceDigits(identity.namespaceUid) ? "ours" : "ours"',
  },
  {
    name: "take every marked row for ours",
    file: "operator/farm/mark.ts",
    find: "if (mark.owner === ownerDigits(identity.ownerId, row.name))",
    plant: 'if (mark.owner !== "")',
  },
  {
    name: "end a pod when its containers restart",
    file: "operator/farm/hasEnded.ts",
    find: "return phaseIsTerminal(pod) && !pod.running && !phaseIsGuessed(pod);",
    plant: 'return (phaseIsTerminal(pod) || pod.phase === "Running") && !pod.running && !phaseIsGuessed(pod);',
  },
  {
    name: "believe a guessed phase",
    file: "operator/farm/hasEnded.ts",
    find: "return phaseIsTerminal(pod) && !pod.running && !phaseIsGuessed(pod);",
    plant: "return phaseIsTerminal(pod) && !pod.running;",
  },
  {
    name: "take a deleted pod for an ended one",
    file: "operator/kubernetes/podLedger.ts",
    find: 'const isSeenEnd = before.ended || hasEnded(pod) || (how === "event" && pod.node === undefined);',
    plant: 'const isSeenEnd = before.ended || hasEnded(pod) || how === "event";',
  },
  {
    name: "remember ends across a restore of etcd",
    file: "operator/kubernetes/podLedger.ts",
    find: 'this.#gone.set(hash, { ...seen, presence: "listedGone", ended: false });',
    plant: 'this.#gone.set(hash, { ...seen, presence: "listedGone" });',
  },
  {
    name: "no wait for the missing",
    file: "operator/farm/rows.ts",
    find: "const leftMs = watch.sinceMs + waitMs - observation.nowMs;",
    plant: "const leftMs = watch.sinceMs + waitMs * 0 - observation.nowMs;",
  },
  {
    name: "no regard for a lost node",
    file: "operator/farm/rows.ts",
    find: "return nodeMayBeLost ? Math.max(graceMs, nodeLostMs(observation)) : graceMs;",
    plant: "return nodeMayBeLost ? Math.min(graceMs, nodeLostMs(observation)) : graceMs;",
  },
  {
    name: "start the wait in the cache instead of by a live read",
    file: "operator/pass/apply.ts",
    find: "    if (isTrue(live(comparable(row.name)), (read) => isPodMissing(row, read)))\n",
    plant: '    if (live(comparable(row.name)) !== undefined || isPodMissing(row, { kind: "listed", pods: [] }))\n',
  },
  {
    name: "let pings not start a wait anew",
    file: "operator/pass/waits.ts",
    find: "if (watch !== undefined && watch.ping !== fresh.ping) map.set(rowKey(row), fresh);",
    plant: "if (watch === undefined && watch !== fresh) map.delete(rowKey(row));",
  },
  {
    name: "re-mark without a live read",
    file: "operator/pass/apply.ts",
    find: "actions.marks.filter((remark) => isTrue(live(remark.claim.pod.name), (read) => mayTakeRow(remark, read))),",
    plant: "actions.marks.filter((remark) => isTrue(live(remark.claim.pod.name), (read) => mayTakeRow(remark, read) || true)),",
  },
  {
    name: "remove without a live read",
    file: "operator/farm/confirm.ts",
    find: 'if (evidence !== "removeAll" && (live === undefined || !isFree(row, live, members))) return undefined;',
    plant: 'if (evidence !== "removeAll" && live !== undefined && members.length === 0) return undefined;',
  },
  {
    name: "let a living successor's row go",
    file: "operator/farm/confirm.ts",
    find: "return live.name === comparable(row.name) && (live.pod === undefined || hasEnded(live.pod));",
    plant:
      "return live.name === comparable(row.name) && (live.pod === undefined || hasEnded(live.pod) || podHash(live.pod.uid) !== mark?.pod);",
  },
  {
    name: "give a draining pod's row to the next of its name",
    file: "operator/farm/rows.ts",
    find: '  return { kind: isAlive(seen.pod) ? "alive" : "draining", pod: seen.pod };',
    plant: '  return isAlive(seen.pod) ? { kind: "alive", pod: seen.pod } : { kind: "ended", pod: seen.pod };',
  },
  {
    name: "open the gate before the commit",
    file: "operator/farm/gates.ts",
    find: "    const cause = registered.has(claim.hash)\n",
    plant: "    const cause = registered.has(claim.hash) || plan.inserts.some((insert) => insert.claim.hash === claim.hash)\n",
  },
  {
    name: "open the gate for the predecessor's row",
    file: "operator/farm/gates.ts",
    find: "    const cause = registered.has(claim.hash)\n",
    plant: "    const cause = registered.has(claim.hash) || plan.marks.some((mark) => mark.claim.hash === claim.hash)\n",
  },
  {
    name: "let a gate fail open at once",
    file: "operator/farm/gates.ts",
    find: "    if (failOpenMs === 0) continue;\n",
    plant:
      '    if (failOpenMs > 0) {\n      open.push({ pod: claim.pod, reason: "FailOpen", message: "" });\n      continue;\n    }\n    if (failOpenMs === 0) continue;\n',
  },
  {
    name: "close the pool at the first empty read",
    file: "operator/pass/observe.ts",
    find: "  return unread.nowMs - state.lastBusyMs >= idleAfterMs;",
    plant: "  return unread.nowMs - state.lastBusyMs >= idleAfterMs * 0 && !(hasRows() || hasPods());",
  },
  {
    name: "take an empty read for an answer although a statement is open",
    file: "operator/pass/apply.ts",
    find: "  state.table = { ...state.table, dirty: true }; // until it is known what became of it, also when this pass is cut off\n",
    plant: "",
  },
  {
    name: "count only rows whose wait is over",
    file: "operator/farm/rows.ts",
    find: 'const missing = ours.filter(({ where }) => where.kind === "missing").length + removed;',
    plant: "const missing = memory.missingSince.size + removed;",
  },
  {
    name: "forget what was removed as missing",
    file: "operator/farm/rows.ts",
    find: "const removed = memory.removedAsMissing.length;",
    plant: "const removed = memory.removedAsMissing.length * 0;",
  },
  {
    name: "act before the approval is written down",
    file: "operator/farm/approval.ts",
    find: "  if (plan === undefined || !isInForce(plan, nowWallMs)) return undefined;",
    plant: "  if (plan === undefined || nowWallMs === 0) return undefined;",
  },
  {
    name: "approve twice",
    file: "operator/farm/approval.ts",
    find: "if (published.approved !== undefined) return isInForce(published, nowWallMs) ? withoutKeys(published) : anew(needing, nowWallMs);",
    plant: "if (published.approved !== undefined && isInForce(published, nowWallMs)) return withoutKeys(published);",
  },
  {
    name: "approve by the cache alone",
    file: "operator/pass/apply.ts",
    find: "return { actions: holding(live?.uid === farm.uid ? approvalInForce(live, pass.clock.now())?.digest : undefined) };",
    plant: "return { actions: live?.uid === farm.uid ? actions : holding(undefined) };",
  },
  {
    name: "let rows of a former owner go without approval",
    file: "operator/farm/rows.ts",
    find: '  return blocked(row, "FormerOwner", message, context, pod);',
    plant: '  return { row, removal: { row, evidence: "missing" }, view: view(row, "Stale", "FormerOwner", message, pod) };',
  },
  {
    name: "remove rows of another cluster with RemoveAll",
    file: "operator/farm/rows.ts",
    find: '      case "otherCluster":\n        return judgeOtherClusters(row, context);',
    plant:
      '      case "otherCluster":\n        return context.observation.farm.deletionAtMs !== undefined ? judgeOurs(row, where, context) : judgeOtherClusters(row, context);',
  },
  {
    name: "write before the finalizer is there",
    file: "operator/pass/finalizer.ts",
    find: 'if (countActions(actions) === 0 || farm.finalizers.includes(finalizer)) return { kind: "held" };',
    plant: 'if (countActions(actions) >= 0 || farm.finalizers.includes(finalizer)) return { kind: "held" };',
  },
  {
    name: "insert for a pod without a node",
    file: "operator/farm/desired.ts",
    find: "isAlive(pod) && pod.node !== undefined;",
    plant: "isAlive(pod);",
  },
  {
    name: "insert a name that is there",
    file: "operator/sqlserver/statements.ts",
    find: "WHERE v.n IS NOT NULL AND NOT EXISTS (SELECT 1 FROM",
    plant: "WHERE v.n IS NOT NULL OR NOT EXISTS (SELECT 1 FROM",
  },
];
