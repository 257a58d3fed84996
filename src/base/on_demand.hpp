// Shared libraries that a program needs only now and then, loaded by the first call of one of their functions. Linked in
// the usual way, each would be loaded at every start together with all that it needs in turn, which for a command of a
// few milliseconds is most of the time (bench/README.md, GP6).
// X_on_demand.cpp defines the functions of library X that Loco calls and forwards them with LOCO_FORWARD; who calls
// them links that instead of X and notices nothing. x86-64 and AArch64 Linux.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace loco {

class OnDemand {
  public:
    // The file name that the dynamic linker would look for, and the Debian package that has it.
    OnDemand(const char* file, const char* package)
        : package_(package), handle_(::dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
        if (handle_ == nullptr) give_up();
    }

    [[nodiscard]] void* find(const char* function) const {
        void* found = ::dlsym(handle_, function);
        if (found == nullptr) give_up();
        return found;
    }

  private:
    // A library that is missing or too old ends the program, as it would have at the start.
    [[noreturn]] void give_up() const {
        const char* why = ::dlerror();
        std::fprintf(stderr, "%s; apt-get install %s\n", why == nullptr ? "no reason given" : why,
                     package_);
        std::_Exit(127);
    }

    const char* package_;
    void* handle_;
};

}  // namespace loco

// The same function in the library that library() gives; looked up once.
#define LOCO_FORWARD(library, function)                                         \
    ([]() -> decltype(&::function) {                                            \
        static const auto kFound =                                              \
            reinterpret_cast<decltype(&::function)>(library().find(#function)); \
        return kFound;                                                          \
    }())
