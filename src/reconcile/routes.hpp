// What the gateway should be told of an app: a pure function of its rows.
#pragma once

#include "ports/gateway.hpp"
#include "reconcile/rows.hpp"

namespace loco::reconcile {

// Traffic goes to the healthy instances of the live set. What is draining, and the set that served until the switch,
// is named too, so that what is in flight there goes on.
[[nodiscard]] AppRoutes routes_of(const AppRows& rows);

}  // namespace loco::reconcile
