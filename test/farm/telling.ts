// The status that a scene leads to, given what the status said before.

import type { Outcome } from "../../operator/farm/conditions.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import { authorityOf } from "../../operator/farm/policy.ts";
import type { WebFarmStatus } from "../../operator/farm/resource.generated.ts";
import { statusOf } from "../../operator/farm/status.ts";
import type { StatusMoment } from "../../operator/farm/status.ts";
import { deepFreeze, farm, memory, nowWallMs, observation } from "./build.ts";
import type { Scene } from "./build.ts";

export interface More {
  readonly before?: WebFarmStatus;
  readonly outcome?: Outcome;
  readonly remembered?: FarmMemory;
  readonly moment?: Partial<StatusMoment>;
  readonly farm?: Parameters<typeof farm>[0];
}

export function status(scene: Scene = {}, more: More = {}): WebFarmStatus {
  const seen = observation({ farm: farm({ status: more.before ?? {}, ...more.farm }), ...scene });
  const plan = planFarm(seen, more.remembered ?? memory());
  const assessment = { observation: seen, plan, authority: authorityOf(seen), outcome: more.outcome ?? { refused: [] } };
  return deepFreeze(statusOf(assessment, { nowMs: nowWallMs, ...more.moment }));
}
