// Cloud: what the engine knows of the stores, and how identities are set up.

import { get } from "./api.js";
import { bytes, card, count, empty, h, table, when } from "./parts.js";

export async function show(here, { signal }) {
  const told = await get("/overview", signal);
  const counted = told.counted;
  if (!counted) {
    here.replaceChildren(empty("The stores were not looked at yet", told.problem ?? "They are being listed for the first time: come back in a moment."));
    return;
  }
  const buckets = counted.places.filter((place) => place.place.startsWith("s3://") || place.medium === "cloud");
  const rows = counted.stores.map((store) => [h("span", { class: "path" }, store.store),
    store.problem ? h("span", { class: "bad path" }, store.problem) : h("span", { class: "good" }, "reachable")]);
  const verify = told.jobs.find((job) => job.kind === "cloud-verify");
  here.replaceChildren(h("div", { class: "cards" },
    h("section", { class: "card wide" }, h("h2", null, "Stores"), table("Stores", ["Store", "As of the last look"], rows),
      h("p", { class: "soft" }, `${count(counted.packs)} packs, ${bytes(counted.pack_bytes)}, looked at `, when(counted.at))),
    card("Identities", buckets.length === 0
      ? h("p", { class: "soft" }, "This repository lies in directories alone: no cloud identity is needed.")
      : [h("p", null, "Each role has its own credentials, so that a stolen machine that backs up can neither read nor destroy."),
        h("ul", { class: "plain" },
          h("li", null, h("b", null, "Writer"), " puts create-only and lists: profile in the store's settings"),
          h("li", null, h("b", null, "Reader"), " thaws and gets packs: reader_profile"),
          h("li", null, h("b", null, "Auditor"), " lists and asks for checksums: auditor_profile"),
          h("li", null, h("b", null, "Pruner"), " may delete: pruner_profile, on another machine")),
        h("p", { class: "soft" }, "What each of them may really do is not verified from here. SECURITY.md has the policies.")]),
    card("Verified by a job", verify
      ? h("dl", null, h("dt", null, "Job"), h("dd", null, verify.job), h("dt", null, "Last done whole"), h("dd", null, when(verify.last_success)))
      : h("p", { class: "soft" }, "There is no [[job]] of kind cloud-verify here."))));
}
