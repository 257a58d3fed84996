// One table of the memory store: rows by key, further indexes, and an undo log.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace loco::store {

// Parts of a key, so joined that keys sort by their first part, then the second, … No part holds a zero byte:
// ids, names and numbers only.
[[nodiscard]] inline std::string joined(std::string_view first, std::string_view second) {
    std::string key;
    key.reserve(first.size() + 1 + second.size());
    key.append(first).push_back('\0');
    key.append(second);
    return key;
}

// Sorts as the number does; numbers are not negative.
[[nodiscard]] inline std::string sortable(int number) {
    auto digits = std::to_string(number);
    return std::string(10 - std::min<std::size_t>(digits.size(), 10), '0') + digits;
}

template <class Row>
class Table {
  public:
    // Rows in the order of a key of their own; no two rows have the same. A row without one is not in the index.
    struct Index {
        std::optional<std::string> (*key)(const Row&);
        std::string_view what;  // for the message of a conflict
        std::map<std::string, std::string, std::less<>> entries = {};
    };

    Table(std::string (*key)(const Row&), std::vector<Index> indexes)
        : key_(key), indexes_(std::move(indexes)) {}

    [[nodiscard]] const Row* find(std::string_view key) const {
        const auto it = rows_.find(key);
        return it == rows_.end() ? nullptr : &it->second;
    }
    [[nodiscard]] const Row* find_by(std::size_t index, std::string_view key) const {
        const auto& entries = indexes_[index].entries;
        const auto it = entries.find(key);
        return it == entries.end() ? nullptr : find(it->second);
    }
    [[nodiscard]] const auto& rows() const { return rows_; }

    // Rows of an index whose key's first part is `group`, in its order, from `from` (a second part) on, until
    // visit gives false.
    template <class Visit>
    void ascend(std::size_t index, std::string_view group, std::string_view from,
                Visit visit) const {
        const auto& entries = indexes_[index].entries;
        const auto prefix = joined(group, "");
        for (auto it = entries.lower_bound(joined(group, from)); it != entries.end(); ++it) {
            if (!it->first.starts_with(prefix) || !visit(*find(it->second))) return;
        }
    }
    // The same backwards, from the last whose second part is below `below` (empty: from the end of the group).
    template <class Visit>
    void descend(std::size_t index, std::string_view group, std::string_view below,
                 Visit visit) const {
        const auto& entries = indexes_[index].entries;
        const auto prefix = joined(group, "");
        auto end = std::string(group) + '\x01';
        for (auto it = entries.lower_bound(below.empty() ? end : joined(group, below));
             it != entries.begin();) {
            --it;
            if (!it->first.starts_with(prefix) || !visit(*find(it->second))) return;
        }
    }

    [[nodiscard]] Result<> put(const Row& row) {
        auto key = key_(row);
        for (const auto& index : indexes_) {
            const auto value = index.key(row);
            if (!value) continue;
            const auto it = index.entries.find(*value);
            if (it != index.entries.end() && it->second != key) {
                return fail(ErrorKind::conflict, std::string(index.what) + " is taken");
            }
        }
        change(std::move(key), row);
        return {};
    }
    void remove(std::string_view key) {
        if (rows_.contains(key)) change(std::string(key), std::nullopt);
    }

    void commit() { undo_.clear(); }
    void roll_back() {
        for (; !undo_.empty(); undo_.pop_back()) {
            auto& [key, old] = undo_.back();
            apply(key, std::move(old));
        }
    }

  private:
    void change(std::string key, std::optional<Row> row) {
        auto old = apply(key, std::move(row));
        undo_.emplace_back(std::move(key), std::move(old));
    }

    std::optional<Row> apply(const std::string& key, std::optional<Row> row) {
        std::optional<Row> old;
        auto it = rows_.find(key);
        if (it != rows_.end()) {
            for (auto& index : indexes_) {
                if (const auto value = index.key(it->second)) index.entries.erase(*value);
            }
            old = std::move(it->second);
        }
        if (!row) {
            if (it != rows_.end()) rows_.erase(it);
            return old;
        }
        for (auto& index : indexes_) {
            if (auto value = index.key(*row)) index.entries.emplace(*std::move(value), key);
        }
        if (it != rows_.end()) {
            it->second = *std::move(row);
        } else {
            rows_.emplace(key, *std::move(row));
        }
        return old;
    }

    std::string (*key_)(const Row&);
    std::vector<Index> indexes_;
    std::map<std::string, Row, std::less<>> rows_;
    std::vector<std::pair<std::string, std::optional<Row>>> undo_;
};

}  // namespace loco::store
