// Why a container's program could not be run, by looking at its file in the container. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "domain/facts.hpp"
#include "engine/engine.hpp"

namespace loco::runtime {

// What a file is by its first bytes: a script with its interpreter, a binary with its machine and loader (elf(5)).
void read_program(std::string_view bytes, ProgramFacts& facts);

// The program that the container was to run; none when the engine does not say.
[[nodiscard]] std::optional<ProgramFacts> program_of(engine::Engine& engine,
                                                     const engine::Container& container);

}  // namespace loco::runtime
