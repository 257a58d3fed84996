// A process that wants to lead, for tests that kill it: contender TARGET NAME. Says "gained" and "lost", a line each.
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "store/postgres/postgres_leadership.hpp"

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    auto target = loco::postgres::Target::parse(loco::Secret<>(argv[1]));
    if (!target) return 2;
    loco::store::PostgresLeadership leadership({.target = *std::move(target), .name = argv[2]});
    const auto say = [](const char* word) {
        std::puts(word);
        std::fflush(stdout);
    };
    leadership.start([&] { say("gained"); }, [&] { say("lost"); });
    while (true) ::pause();
}
