// What a Dockerfile says of the image it makes, as far as its text alone tells. Not a builder's parser: what it
// does not understand it leaves out. Internal to spec/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loco::spec {

struct DockerfileFacts {
    bool has_stage = false;  // there is a FROM
    std::string base;        // what the last stage is built from in the end: an image's name
    std::vector<int>
        ports;  // TCP ports that the last stage exposes, in order, those of its parents first
    std::string user;  // of the last USER in the last stage or its parents; empty: the base image's
    int user_line = 0;  // of that USER, from 1
};

[[nodiscard]] DockerfileFacts read_dockerfile(std::string_view text);

}  // namespace loco::spec
