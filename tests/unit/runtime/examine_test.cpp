// What is read out of /proc/PID/net and out of a program's first bytes.
#include <elf.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/docker/program.hpp"
#include "runtime/docker/sockets.hpp"

namespace loco::runtime {
namespace {

const std::string kHead =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";

std::vector<Listener> read(const std::string& lines, Listener::Kind kind) {
    std::vector<Listener> out;
    read_inet_sockets(kHead + lines, kind, out);
    return out;
}

TEST(Sockets, those_that_listen_are_told_with_address_and_port) {
    const auto seen = read(
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001 0 1\n"
        "   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001 0 2\n"
        "   2: 0204D00A:1F90 0104D00A:C350 01 00000000:00000000 00:00000000 00000000 10001 0 3\n",
        Listener::Kind::tcp);
    ASSERT_EQ(seen.size(), 2U) << "a connection is no listener";
    EXPECT_EQ(seen[0], (Listener{.address = "127.0.0.1", .port = 8080}));
    EXPECT_EQ(seen[1], (Listener{.address = "0.0.0.0", .port = 3000}));
}

TEST(Sockets, of_ipv6_too) {
    const auto seen = read(
        "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0 0\n"
        "   1: 00000000000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A 0 0\n"
        "   2: 0000000000000000FFFF00000100007F:1F92 00000000000000000000000000000000:0000 0A 0 "
        "0\n",
        Listener::Kind::tcp);
    ASSERT_EQ(seen.size(), 3U);
    EXPECT_EQ(seen[0].address, "::");
    EXPECT_EQ(seen[1].address, "::1");
    EXPECT_EQ(seen[2].address, "127.0.0.1");
}

TEST(Sockets, the_engines_own_resolver_is_nobodys) {
    EXPECT_TRUE(read("   0: 0B00007F:A2C5 00000000:0000 0A 0 0\n", Listener::Kind::tcp).empty());
    EXPECT_TRUE(read("   0: 0B00007F:A2C5 00000000:0000 07 0 0\n", Listener::Kind::udp).empty());
}

TEST(Sockets, udp_counts_when_it_has_no_peer) {
    const auto seen =
        read("   0: 00000000:0035 00000000:0000 07 0 0\n   1: 0204D00A:9999 08080808:0035 01 0 0\n",
             Listener::Kind::udp);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].port, 53);
}

TEST(Sockets, unix_sockets_that_listen_are_told_by_path) {
    std::vector<Listener> seen;
    read_unix_sockets(
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "0000000000000000: 00000002 00000000 00010000 0001 01 25373 /run/app.sock\n"
        "0000000000000000: 00000003 00000000 00000000 0001 03 25374 /run/app.sock\n"
        "0000000000000000: 00000002 00000000 00010000 0001 01 25375\n",
        seen);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].address, "/run/app.sock");
}

TEST(Sockets, damaged_tables_give_nothing_and_do_no_harm) {
    for (const auto* line :
         {"", "\n", "x", "   0: ZZ:1F90 00000000:0000 0A\n", "0: 0100007F 0 0A\n",
          "   0: 0100007F:FFFFFFFFF 00000000:0000 0A\n", "0: : : 0A\n"}) {
        EXPECT_TRUE(read(line, Listener::Kind::tcp).empty()) << line;
    }
    std::vector<Listener> seen;
    read_inet_sockets("", Listener::Kind::tcp, seen);
    read_unix_sockets("no end of line", seen);
    EXPECT_TRUE(seen.empty());
}

TEST(Sockets, this_process_is_found_listening) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(fd, 1), 0);
    ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    const auto seen = listeners_of(::getpid());
    ASSERT_TRUE(seen);
    // Others of this machine may be more than are kept.
    const Listener own{.address = "127.0.0.1", .port = ntohs(address.sin_port)};
    EXPECT_TRUE(std::ranges::find(*seen, own) != seen->end() || seen->size() >= 64);
    ::close(fd);
    EXPECT_FALSE(listeners_of(0x7FFFFFFF));
}

ProgramFacts program(std::string_view bytes) {
    ProgramFacts facts;
    read_program(bytes, facts);
    return facts;
}

TEST(Program, a_script_names_its_interpreter) {
    EXPECT_EQ(program("#!/bin/sh\necho").interpreter, "/bin/sh");
    EXPECT_EQ(program("#! /usr/bin/env python3\n").interpreter, "/usr/bin/env");
    EXPECT_EQ(program("#!/bin/sh\r\necho\r\n").interpreter, "/bin/sh\r");
    EXPECT_EQ(program("#!/bin/sh").interpreter, "/bin/sh");
    EXPECT_EQ(program("#!\n").interpreter, "");
    EXPECT_EQ(program("#!").file, ProgramFacts::File::script);
}

TEST(Program, a_binary_names_its_machine_and_loader) {
    std::string bytes(sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr), '\0');
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_machine = EM_AARCH64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    Elf64_Phdr part{};
    part.p_type = PT_INTERP;
    part.p_offset = bytes.size();
    const std::string loader = "/lib/ld-linux-aarch64.so.1";
    part.p_filesz = loader.size() + 1;
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, &part, sizeof part);
    bytes += loader + '\0' + "what follows";
    const auto seen = program(bytes);
    EXPECT_EQ(seen.file, ProgramFacts::File::binary);
    EXPECT_EQ(seen.machine, "arm64");
    EXPECT_EQ(seen.interpreter, loader);
    for (std::size_t size = 0; size < bytes.size(); ++size)
        (void)program(std::string_view(bytes).substr(0, size));
    // Offsets that lead out of it.
    header.e_phoff = ~0ULL - 8;
    std::memcpy(bytes.data(), &header, sizeof header);
    EXPECT_EQ(program(bytes).interpreter, "");
}

TEST(Program, anything_else_is_neither) {
    for (const auto* bytes : {"", "echo hello\n", " #!/bin/sh\n", "\xEF\xBB\xBF#!/bin/sh\n"})
        EXPECT_EQ(program(bytes).file, ProgramFacts::File::other) << bytes;
}

}  // namespace
}  // namespace loco::runtime
