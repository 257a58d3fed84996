// loco: the client.
#include <string>
#include <vector>

#include "cli/invocation.hpp"

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    return loco::cli::run(words, loco::cli::system_terminal());
}
