/**
 * Tokens and where they come from.
 *
 * The engine decides when one is wanted; this asks for it, and looks for its end. Nothing here shows a token to anybody.
 */

/** A token, and when it ends where it doesn't say so itself: a date, or milliseconds since 1970. */
export interface Token {
  token: string;
  expiresAt?: Date | number;
}

/** Gives a token; it is asked again before the token ends. The signal says that nobody waits any more. */
export type TokenProvider = (options: {
  signal: AbortSignal;
}) => string | Token | Promise<string | Token>;

/** A token, or what gives one. */
export type TokenSource = string | Token | TokenProvider;

/** Its text and its end, in milliseconds since 1970. */
export function credentialOf(given: string | Token): { token: string; ends: number | undefined } {
  const { token, expiresAt } = typeof given === "string" ? { token: given } : given;
  if (typeof token !== "string") throw new TypeError("a token is a text");
  return { token, ends: expiresAt === undefined ? expiryOf(token) : Number(expiresAt) };
}

/** The claim `exp` of a JWT (RFC 7519); absent where it is none. */
function expiryOf(token: string): number | undefined {
  try {
    const payload = token.split(".")[1] ?? "";
    const claims = JSON.parse(atob(payload.replace(/-/g, "+").replace(/_/g, "/"))) as unknown;
    const { exp } = claims as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}
