// What the page holds packed: bytes that are compressed and written as base64, and unpacked when they are wanted.

// A browser that cannot unpack (before 2023) gets the page without what is packed.
export const CAN_UNPACK = 'DecompressionStream' in window;

export async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
