// For databases that nobody logs in to with an identity.
import type { TokenSource } from "../../operator/sqlserver/entra.ts";

export const noTokens: TokenSource = { issue: () => Promise.reject(new Error("Nobody is to ask for a token here")) };
