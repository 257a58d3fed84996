// Whether a live object still is what was ordered. What others add stays theirs (status, defaults, a mesh's containers, a
// policy's annotations): only what was ordered is compared.
#pragma once

#include <string>

#include "kubernetes/object.hpp"

namespace loco::cluster {

// Every field of `ordered` is in `live`, with the same meaning: "0.25" is "250m", an empty map or list is none, and lists
// of named things (containers, ports, env) are compared by name. Where not: the first path that differs, "spec.replicas";
// never a value. Empty: none.
[[nodiscard]] std::string first_difference(const kubernetes::Object& ordered,
                                           const kubernetes::Object& live);

// What a reflector need not keep of an object that is only compared: its status, and the tree of the rest, which becomes
// one text (a tenth of the memory). unpack() makes it whole again.
void pack(kubernetes::Object& object, bool keep_status);
[[nodiscard]] kubernetes::Object unpack(const kubernetes::Object& packed);

enum class Standing : std::uint8_t {
    as_ordered,
    missing,
    ordered_anew,  // what is ordered now is not what was ordered last
    changed,       // by somebody else
};
// `ordered` carries annotation::kOrdered (see stamp); `live` may be packed, or nullptr.
[[nodiscard]] Standing standing_of(const kubernetes::Object& ordered,
                                   const kubernetes::Object* live);
// Puts the object's own hash into annotation::kOrdered.
void stamp(kubernetes::Object& ordered);

}  // namespace loco::cluster
