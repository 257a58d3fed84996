// Where a PostgreSQL database is and who asks: what libpq calls connection information.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace loco::postgres {

class Target {
  public:
    // "host=… dbname=…" or "postgresql://…"; what it leaves out comes from the environment and the files that libpq
    // knows (PGHOST, PGPASSFILE, ~/.pgpass, …). invalid when it is neither; the error never repeats it, as it may hold a
    // password.
    [[nodiscard]] static Result<Target> parse(const Secret<>& text);

    [[nodiscard]] bool has_password() const;
    // For people: "loco on db.example.org:5432".
    [[nodiscard]] std::string name() const;
    // libpq's messages with every secret of this target left out, on one line.
    [[nodiscard]] std::string without_secrets(std::string message) const;
    [[nodiscard]] const std::vector<std::pair<std::string, Secret<>>>& settings() const {
        return settings_;
    }

  private:
    [[nodiscard]] std::string value_of(std::string_view key) const;
    std::vector<std::pair<std::string, Secret<>>> settings_;
};

}  // namespace loco::postgres
