// sigstore-js on each bundle that is named: node verify.cjs PUBLIC.pem BUNDLE…
// Exit code 0 only if every one verifies; a line `ok FILE` or `refused FILE: why` for each.
const crypto = require("node:crypto");
const fs = require("node:fs");
const { bundleFromJSON } = require("@sigstore/bundle");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const [pem, ...files] = process.argv.slice(2);
const key = crypto.createPublicKey(fs.readFileSync(pem));
const rawBytes = key.export({ type: "spki", format: "der" });
const nothing = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
// The key was given by hand, so that no transparency log and no timestamp is asked for.
const trust = toTrustMaterial(nothing, () => ({
  publicKey: crypto.createPublicKey({ key: rawBytes, type: "spki", format: "der" }),
  validFor: () => true,
}));
const verifier = new Verifier(trust, { tlogThreshold: 0, timestampThreshold: 0, ctlogThreshold: 0 });

let refused = files.length === 0;
for (const file of files) {
  try {
    verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(fs.readFileSync(file, "utf8")))));
    console.log(`ok ${file}`);
  } catch (error) {
    refused = true;
    console.log(`refused ${file}: ${error.code ?? error.name}: ${error.message}`);
  }
}
process.exit(refused ? 1 : 0);
