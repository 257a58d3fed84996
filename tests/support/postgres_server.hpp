// A PostgreSQL of the test's own: Debian's, as an unprivileged user, in a folder that goes with it, on a Unix socket; it
// dies with the test. LOCO_TEST_POSTGRES (a connection string of who may create databases) names another to use instead.
#pragma once

#include <string>

#include "postgres/database.hpp"
#include "tests/support/child.hpp"

namespace loco::test {

class PostgresServer {
  public:
    // Started by the first who asks, ended with the program.
    [[nodiscard]] static PostgresServer& shared();
    // Another one, for tests that stop it. Throws std::runtime_error with the reason when it does not start.
    PostgresServer();
    ~PostgresServer();
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;

    // Of a database by that name.
    [[nodiscard]] postgres::Target target(const std::string& database) const;
    [[nodiscard]] std::unique_ptr<postgres::Database> connect(const std::string& database) const;

    // A new empty database.
    [[nodiscard]] std::string create_database();
    void drop_database(const std::string& name);

    void start();
    void stop();  // at once, as a crash
    [[nodiscard]] bool is_own() const { return given_.empty(); }
    // Its folder, and the password of its user over TCP.
    [[nodiscard]] const std::string& folder() const { return folder_; }
    [[nodiscard]] int port() const { return port_; }
    static constexpr const char* kPassword = "pw-of-the-tests-91f3";

  private:
    std::string given_;
    std::string folder_;
    std::string bin_;
    int port_ = 0;
    int databases_ = 0;
    Child child_;
};

// A database of a server, dropped with it.
class TestDatabase {
  public:
    explicit TestDatabase(PostgresServer& server = PostgresServer::shared())
        : server_(server), name_(server.create_database()) {}
    ~TestDatabase() { server_.drop_database(name_); }
    TestDatabase(const TestDatabase&) = delete;
    TestDatabase& operator=(const TestDatabase&) = delete;

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] postgres::Target target() const { return server_.target(name_); }
    [[nodiscard]] std::unique_ptr<postgres::Database> connect() const {
        return server_.connect(name_);
    }

  private:
    PostgresServer& server_;
    std::string name_;
};

}  // namespace loco::test
