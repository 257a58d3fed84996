// Document → AppSpec: what TOML and JSON share. Internal to spec/.
#pragma once

#include "domain/app_spec.hpp"
#include "spec/node.hpp"
#include "spec/read.hpp"
#include "spec/reporter.hpp"

namespace loco::spec {

enum class Source : std::uint8_t {
    toml,  // a person's file
    json,  // a checked spec with its defaults filled in, perhaps from a hostile client
};

// One variant: the document without its profiles, or with one laid over. The result means something only
// if nothing was reported.
[[nodiscard]] AppSpec build_spec(const Node& document, Source source, const ReadOptions& options,
                                 Reporter& reporter);

// Rules over more than one key, and what is not supported yet. Rules about a key that has a mistake are left out.
void check_rules(const Node& document, Source source, const AppSpec& spec,
                 const ReadOptions& options, Reporter& reporter);

// A spec as a document with every key, in the schema's order.
[[nodiscard]] Node to_document(const AppSpec& spec);

}  // namespace loco::spec
