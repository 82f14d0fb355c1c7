// The table that a person reads, line by line as the results come, and its last line.
import type { Result } from "./run.ts";

const cell = (text: string): string => text.replace(/\s+/g, " ").replaceAll("|", "\\|").trim();

export const heading = "| # | | statement | page |\n| --- | --- | --- | --- |";

/** `| 7 | held | … | <url> (section) |`; what came instead stands behind the statement. */
export function line({ number, title, behaviour, verdict, because }: Result): string {
  const said = because === "" ? title : `${title}. ${verdict === "did not hold" ? "Came instead" : "Because"}: ${because}`;
  const mark = verdict === "did not hold" ? "**DID NOT HOLD**" : verdict;
  return `| ${number} | ${mark} | ${cell(said)} | ${behaviour.page.url} (${cell(behaviour.page.section)}) |`;
}

export function summary(results: readonly Result[], cases: number, product: string): string {
  const count = (verdict: Result["verdict"]): number => results.filter((one) => one.verdict === verdict).length;
  const unasked = cases - results.length;
  const rest = unasked === 0 ? "" : `, ${unasked} not asked`;
  return `${product}: ${count("held")} held, ${count("did not hold")} did not hold, ${count("not applicable")} not applicable${rest}.`;
}
