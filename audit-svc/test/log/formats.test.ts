import assert from "node:assert/strict";
import { isKeyName, openCheckpoint, openNote, parseVkey, toNote, vkeyOf } from "../../src/log/note.js";
import { parseProof, proofText } from "../../src/log/proof.js";
import { fromBundle, leafHashes, parsePath, pathOf, subtreesOf, toBundle, widthIn } from "../../src/log/tile.js";
import {
  EMPTY_ROOT,
  RootBuilder,
  fold,
  leafHash,
  nodeHash,
  proveConsistency,
  proveInclusion,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from "../../src/log/tree.js";
import { newKey } from "../support/log.js";

/** The leaves and roots that Certificate Transparency's implementations of RFC 6962 are tested with. */
const LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** Any leaves: their subtrees, computed without tiles. */
function treeOf(leaves: readonly Buffer[]): (level: number, n: number) => Promise<Buffer> {
  return async (level, n) => fold(Buffer.concat(leaves.slice(n * 2 ** level, (n + 1) * 2 ** level)));
}

describe("the tree", () => {
  const leaves = LEAVES.map((hex) => leafHash(Buffer.from(hex, "hex")));

  for (const [size, root] of ROOTS.entries())
    it(`has RFC 6962's root of ${size} leaves`, async () => {
      const builder = new RootBuilder();
      for (const leaf of leaves.slice(0, size)) builder.add(leaf);
      assert.equal(builder.root().toString("hex"), root);
      assert.equal((await rootOf(size, treeOf(leaves))).toString("hex"), root);
    });

  it("has the inclusion proof of the RFC's example", async () => {
    const [a, b, c, d, e, f, g] = leaves as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
    const [h, l] = [nodeHash(a, b), nodeHash(nodeHash(e, f), g)];
    assert.deepEqual(await proveInclusion(3, 7, treeOf(leaves)), [c, h, l]);
    assert.deepEqual(await proveInclusion(6, 7, treeOf(leaves)), [nodeHash(e, f), nodeHash(h, nodeHash(c, d))]);
  });

  it("proves each leaf and each earlier tree, and nothing else", async () => {
    const many = Array.from({ length: 70 }, (_, i) => leafHash(Buffer.from([i])));
    const subtree = treeOf(many);
    for (let size = 1; size <= many.length; size += 3) {
      const root = await rootOf(size, subtree);
      for (let index = 0; index < size; index++) {
        const proof = await proveInclusion(index, size, subtree);
        const leaf = many[index] ?? EMPTY_ROOT;
        assert.ok(verifyInclusion(leaf, index, size, proof, root));
        assert.ok(!verifyInclusion(leaf, index === 0 ? 1 : index - 1, size, proof, root) || size === 1);
        assert.ok(!verifyInclusion(leafHash(Buffer.from("x")), index, size, proof, root));
        assert.ok(!verifyInclusion(leaf, index, size, [...proof, root], root));
      }
      for (let old = 0; old <= size; old++) {
        const proof = await proveConsistency(old, size, subtree);
        const oldRoot = await rootOf(old, subtree);
        assert.ok(verifyConsistency(old, size, proof, oldRoot, root), `${old} ${size}`);
        assert.ok(!verifyConsistency(old, size, proof, leafHash(Buffer.from("x")), root));
        if (old > 0 && old < size) assert.ok(!verifyConsistency(old, size, proof.slice(1), oldRoot, root));
      }
    }
  });

  it("is the same from tiles, in which only complete subtrees are", async () => {
    const size = 256 * 256 + 256 * 3 + 7;
    const entries = Buffer.alloc(size * 35);
    for (let i = 0; i < size; i++) entries.writeUInt32BE(i, i * 35);
    const level0 = leafHashes(entries);
    const above = (hashes: Buffer): Buffer =>
      Buffer.concat(
        Array.from({ length: Math.floor(hashes.length / 8192) }, (_, i) => fold(hashes.subarray(i * 8192, (i + 1) * 8192))),
      );
    const levels = [level0, above(level0), above(above(level0))];
    const subtree = subtreesOf(size, async ({ level, n, width }) => {
      const start = n * 8192;
      return (levels[level] ?? Buffer.alloc(0)).subarray(start, start + width * 32);
    });
    const builder = new RootBuilder();
    for (let i = 0; i < size; i++) builder.add(level0.subarray(i * 32, i * 32 + 32));
    const root = await rootOf(size, subtree);
    assert.deepEqual(root, builder.root());
    const index = 65_600;
    const proof = await proveInclusion(index, size, subtree);
    assert.ok(verifyInclusion(level0.subarray(index * 32, index * 32 + 32), index, size, proof, root));
  }); // prettier-ignore
});

describe("tiles", () => {
  it("have C2SP's paths", () => {
    assert.equal(pathOf({ level: 0, n: 1_234_067, width: 256 }), "0/x001/x234/067");
    assert.equal(pathOf({ level: "entries", n: 0, width: 255 }), "entries/000.p/255");
    for (const path of ["0/x001/x234/067", "1/000", "entries/x001/000.p/3", "2/000.p/1"])
      assert.equal(pathOf(parsePath(path) ?? { level: 0, n: 0, width: 0 }), path);
    for (const path of ["0/x000/067", "0/67", "00/067", "0/067.p/0", "0/067.p/256", "0/067.p/012", "x/067", "0/067/", "data/000", "0/x1/000"])
      assert.equal(parsePath(path), undefined, path);
    assert.deepEqual([widthIn(257, 0, 0), widthIn(257, 0, 1), widthIn(257, 0, 2), widthIn(257, 1, 0)], [256, 1, 0, 1]);
  }); // prettier-ignore

  it("carry each entry with its length", () => {
    const entries = Buffer.alloc(70, 7);
    assert.equal(toBundle(entries).length, 74);
    assert.deepEqual(fromBundle(toBundle(entries), 2), entries);
    assert.equal(fromBundle(toBundle(entries), 3), undefined);
    assert.equal(fromBundle(Buffer.alloc(74), 2), undefined);
  });
});

describe("signed notes", () => {
  // From the documentation of golang.org/x/mod/sumdb/note.
  const VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
  const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const NOTE = `${TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;

  it("are opened as Go's are", () => {
    const verifier = parseVkey(VKEY);
    assert.ok(verifier !== undefined);
    assert.equal(vkeyOf(verifier), VKEY);
    assert.equal(openNote(NOTE, [verifier]), TEXT);
    assert.equal(openNote(NOTE.replace("problem is", "problem was"), [verifier]), undefined);
    assert.equal(openNote(NOTE, [newKey().verifier]), undefined);
  });

  it("have keys whose id fits, and no other", () => {
    for (const vkey of [VKEY.replace("c74f20a3", "c74f20a4"), VKEY.replace("ARpc", "Arpc"), "x", "", "a+00000000+AA=="])
      assert.equal(parseVkey(vkey), undefined, vkey);
    assert.ok(isKeyName("audit.example.com/vm2") && !isKeyName("a b") && !isKeyName("a+b") && !isKeyName(""));
  });

  it("are no checkpoint unless the key is that of the origin", () => {
    const { verifier } = newKey();
    const text = `other.example.com\n1\n${EMPTY_ROOT.toString("base64")}\n`;
    assert.equal(openCheckpoint(toNote(text, verifier, Buffer.alloc(64)), [verifier]), undefined);
  });
});

describe("proofs", () => {
  it("are read as they are written", () => {
    const proof = { extra: Buffer.alloc(17, 1), index: 5, hashes: [EMPTY_ROOT, EMPTY_ROOT], checkpoint: "a\n1\nx\n\n— a b\n" };
    assert.deepEqual(parseProof(proofText(proof)), proof);
    assert.match(proofText(proof), /^c2sp\.org\/tlog-proof@v1\nextra \S+\nindex 5\n\S{44}\n\S{44}\n\na\n1\n/);
    assert.equal(parseProof("c2sp.org/tlog-proof@v2\nindex 1\n\na"), undefined);
  }); // prettier-ignore
});
