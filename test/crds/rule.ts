// A rule of the CRD as the tests state it: what obeys, what does not, and what the API server then says.
import { type Farm } from "./farms.ts";

export interface Rule {
  readonly rule: string;
  readonly accepted: readonly Farm[];
  readonly refused: readonly Farm[];
  /** Names the field and the rule. */
  readonly message: string;
}
