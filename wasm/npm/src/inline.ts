/**
 * Bytes as text that any bundler, minifier and page encoding leaves alone, and that gzips nearly as well as the
 * bytes themselves: base64 would cost a fourth more, because it hides what repeats.
 *
 * Of the 90 characters from `#` to `~` without `\` and `` ` ``, the last two say that 88 or 176 is to be
 * added to the character behind them; the others stand for 0 to 87.
 */

const SINGLE = 88;

/** Writes bytes. */
export function encode(bytes: Uint8Array): string {
  const character = (value: number): string => {
    const code = value + 35;
    const behindSlash = code + (code >= 92 ? 1 : 0);
    return String.fromCharCode(behindSlash + (behindSlash >= 96 ? 1 : 0));
  };
  return Array.from(bytes, (byte) => {
    const page = Math.floor(byte / SINGLE);
    return (page > 0 ? character(SINGLE + page - 1) : "") + character(byte % SINGLE);
  }).join("");
}

/** Reads them. */
export function decode(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  let add = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const value = code - (code > 96 ? 37 : code > 92 ? 36 : 35);
    if (value < SINGLE) {
      bytes.push(value + add);
      add = 0;
    } else {
      add = (value - SINGLE + 1) * SINGLE;
    }
  }
  return new Uint8Array(bytes);
}
