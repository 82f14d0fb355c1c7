// Holds the database token of one identity for one target: had when a connection needs it, had anew before it ends, and once more when the
// server refused it. What was had before goes on being used while another cannot be had. It is never logged.
import type { Clock } from "../controller/clock.ts";
import type { Logger } from "../controller/logger.ts";
import type { WorkloadIdentity } from "../farm/model.ts";
import type { DatabaseToken, TokenSource } from "./entra.ts";
import { DatabaseError } from "./errors.ts";

export interface IdentityTokenOptions {
  readonly identity: WorkloadIdentity;
  readonly source: TokenSource;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface CurrentToken {
  readonly token: string;
  readonly isNew: boolean;
}

/** After a failure to have another one while the old one does. */
const retryMs = 60_000;

export class IdentityToken {
  readonly #options: IdentityTokenOptions;
  #held: DatabaseToken | undefined;
  #askAtMs = -Infinity;

  constructor(options: IdentityTokenOptions) {
    this.#options = options;
  }

  /** `isNew`: made for this call. Throws DatabaseError, or the signal's reason. Calls must not overlap. */
  async current(signal: AbortSignal): Promise<CurrentToken> {
    const { identity, clock, log } = this.#options;
    const nowMs = clock.monotonic();
    const held = this.#held;
    if (held === undefined || nowMs >= held.endsAtMs) return await this.#issued(signal);
    if (nowMs < Math.max(held.refreshAtMs, this.#askAtMs)) return { token: held.token, isNew: false };
    try {
      return await this.#issued(signal);
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      this.#askAtMs = clock.monotonic() + retryMs;
      const serviceAccount = `${identity.namespace}/${identity.serviceAccount}`;
      log.warn("No new database token could be had; the one before is used until it ends", { serviceAccount, error });
      return { token: held.token, isNew: false };
    }
  }

  /** The server does not take it. */
  forget(): void {
    this.#held = undefined;
  }

  async #issued(signal: AbortSignal): Promise<CurrentToken> {
    const { identity, source } = this.#options;
    this.#held = await source.issue(identity, signal);
    return { token: this.#held.token, isNew: true };
  }
}
