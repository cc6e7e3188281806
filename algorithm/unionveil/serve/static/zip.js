// A zip without compression (PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.16): photos are already compressed.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

export function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

// The fields that a local and a central header share; 1980-01-01, so that no clock is in the file.
function common(view, at, name, crc, size) {
  view.setUint16(at, 20, true); // version needed
  view.setUint16(at + 2, 0x0800, true); // the name is UTF-8
  view.setUint16(at + 8, 0x0021, true); // date
  view.setUint32(at + 10, crc, true);
  view.setUint32(at + 14, size, true);
  view.setUint32(at + 18, size, true);
  view.setUint16(at + 22, name.length, true);
}

/**
 * @param {{name: string, blob: Blob}[]} files below 4 GiB together
 * @returns {Promise<Blob>}
 */
export async function zip(files) {
  const parts = [];
  const central = [];
  let offset = 0;
  for (const { name, blob } of files) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const encoded = new TextEncoder().encode(name);
    const crc = crc32(bytes);
    const local = new DataView(new ArrayBuffer(30));
    local.setUint32(0, 0x04034b50, true);
    common(local, 4, encoded, crc, bytes.length);
    const entry = new DataView(new ArrayBuffer(46));
    entry.setUint32(0, 0x02014b50, true);
    entry.setUint16(4, 20, true); // version made by
    common(entry, 6, encoded, crc, bytes.length);
    entry.setUint32(42, offset, true);
    parts.push(local, encoded, blob);
    central.push(entry, encoded);
    offset += 30 + encoded.length + bytes.length;
  }
  const size = central.reduce((sum, part) => sum + part.byteLength, 0);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, files.length, true);
  end.setUint16(10, files.length, true);
  end.setUint32(12, size, true);
  end.setUint32(16, offset, true);
  return new Blob([...parts, ...central, end], { type: "application/zip" });
}
