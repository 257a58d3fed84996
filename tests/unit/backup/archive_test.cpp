#include "backup/archive.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace loco::backup {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ArchiveTest : public testing::Test {
  protected:
    void SetUp() override {
        auto name = testing::TempDir() + "loco-archive-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
        file_ = folder_ / "loco.tar";
    }
    void TearDown() override { fs::remove_all(folder_); }

    fs::path folder_, file_;

    // Writes a backup with these parts after the head.
    void write(const std::vector<std::pair<std::string, std::string>>& parts,
               const std::string& head = "{\"format\":1}\n") {
        auto writer = ArchiveWriter::create(file_);
        ASSERT_TRUE(writer) << writer.error().message;
        ASSERT_TRUE(writer->add_text(kHead, head));
        for (const auto& [name, text] : parts) ASSERT_TRUE(writer->add_text(name, text));
        ASSERT_TRUE(writer->finish());
    }
    [[nodiscard]] std::string bytes() const {
        std::ifstream in(file_, std::ios::binary);
        std::ostringstream out;
        out << in.rdbuf();
        return out.str();
    }
    void put(const std::string& bytes) const {
        std::ofstream(file_, std::ios::binary | std::ios::trunc) << bytes;
    }
    [[nodiscard]] Error refused() const {
        const auto opened = Archive::open(file_);
        EXPECT_FALSE(opened) << "it was taken for a whole backup";
        return opened ? Error{} : opened.error();
    }
};

TEST_F(ArchiveTest, gives_back_what_was_put_in) {
    const std::string large(700'001, 'x');
    write({{"rows.db", large}, {"images.json", ""}});
    const auto archive = Archive::open(file_);
    ASSERT_TRUE(archive) << archive.error().message;
    EXPECT_EQ(archive->parts().size(), 3U);
    EXPECT_EQ(archive->text("rows.db").value_or(""), large);
    EXPECT_EQ(archive->text("images.json").value_or("?"), "");
    ASSERT_TRUE(archive->extract("rows.db", folder_ / "out"));
    EXPECT_EQ(fs::file_size(folder_ / "out"), large.size());
    EXPECT_FALSE(archive->text("keys/seal.key"));
}

TEST_F(ArchiveTest, belongs_to_its_owner_alone_and_leaves_nothing_beside_it) {
    write({});
    struct stat info{};
    ASSERT_EQ(::stat(file_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U);
    EXPECT_FALSE(fs::exists(file_.string() + ".partial"));
}

TEST_F(ArchiveTest, is_not_there_before_it_is_finished) {
    {
        auto writer = ArchiveWriter::create(file_);
        ASSERT_TRUE(writer);
        ASSERT_TRUE(writer->add_text(kHead, "{\"format\":1}"));
        EXPECT_FALSE(fs::exists(file_));
        EXPECT_TRUE(fs::exists(writer->partial()));
        // A second one for the same file does not mix with it.
        const auto other = ArchiveWriter::create(file_);
        ASSERT_FALSE(other);
        EXPECT_EQ(other.error().code, "backup_under_way");
    }
    EXPECT_TRUE(fs::is_empty(folder_)) << "what was not finished is gone";
}

TEST_F(ArchiveTest, overwrites_what_one_that_was_killed_has_left) {
    std::ofstream(file_.string() + ".partial") << std::string(5'000, 'z');
    write({{"rows.db", "abc"}});
    EXPECT_TRUE(Archive::open(file_));
}

TEST_F(ArchiveTest, a_source_that_has_more_or_less_than_was_said_is_an_error) {
    for (const std::int64_t said : {2, 4}) {
        auto writer = ArchiveWriter::create(file_);
        ASSERT_TRUE(writer);
        std::string left = "abc";
        EXPECT_FALSE(writer->add("rows.db", said,
                                 [&]() -> Result<std::string> { return std::exchange(left, ""); }));
    }
}

TEST_F(ArchiveTest, every_changed_byte_is_noticed) {
    write({{"rows.db", std::string(600, 'r')}, {"images.json", "{}"}});
    const auto whole = bytes();
    ASSERT_TRUE(Archive::open(file_));
    std::fstream file(file_, std::ios::binary | std::ios::in | std::ios::out);
    const auto set = [&](std::size_t at, int byte) {
        file.seekp(static_cast<std::streamoff>(at));
        file.put(static_cast<char>(byte)).flush();
    };
    for (std::size_t i = 0; i < whole.size(); ++i) {
        set(i, whole[i] ^ 1);
        ASSERT_FALSE(Archive::open(file_)) << "byte " << i;
        set(i, whole[i]);
    }
    EXPECT_TRUE(Archive::open(file_));
}

TEST_F(ArchiveTest, every_cut_and_every_addition_is_noticed) {
    write({{"rows.db", std::string(600, 'r')}, {"images.json", "{}"}});
    const auto whole = bytes();
    for (std::size_t size = 0; size < whole.size(); size += size < 1024 ? 1 : 97) {
        put(whole.substr(0, size));
        ASSERT_FALSE(Archive::open(file_)) << size << " bytes";
    }
    put(whole + '\0');
    EXPECT_EQ(refused().code, "backup_damaged");
    put(whole + whole);
    EXPECT_EQ(refused().code, "backup_damaged");
}

TEST_F(ArchiveTest, a_newer_one_is_told_as_such_whatever_follows) {
    write({{"rows.db", "r"}}, "{\"format\":2,\"loco\":\"9.1\"}\n");
    EXPECT_EQ(refused().code, "backup_newer");
    EXPECT_EQ(refused().kind, ErrorKind::refused);
}

TEST_F(ArchiveTest, what_is_no_backup_is_told_as_such) {
    for (const auto& text :
         {std::string(), std::string("hello"), std::string(5'000, '\0'), std::string(5'000, 'x')}) {
        put(text);
        EXPECT_EQ(refused().code, "backup_foreign");
    }
    fs::remove(file_);
    EXPECT_EQ(refused().kind, ErrorKind::not_found);
    fs::create_directory(file_);
    EXPECT_EQ(refused().code, "backup_foreign");
}

// The header at `at` with `change` done to it, and its checksum (POSIX ustar) put right again.
std::string with_header(std::string bytes, std::size_t at,
                        const std::function<void(std::string&)>& change) {
    auto header = bytes.substr(at, 512);
    change(header);
    header.replace(148, 8, "        ");
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    char text[8];
    std::snprintf(text, sizeof text, "%06o", sum);
    header.replace(148, 7, std::string(text, 7));
    return bytes.replace(at, 512, header);
}

TEST_F(ArchiveTest, a_hostile_tar_is_refused_and_its_names_lead_nowhere) {
    write({{"rows.db", std::string(512, 'r')}});
    const auto whole = bytes();
    const std::size_t second = 1024;  // the header of rows.db
    ASSERT_EQ(whole.substr(second, 7), "rows.db");
    const std::vector<std::function<void(std::string&)>> changes{
        [](std::string& h) { h[156] = '2'; },                       // a link
        [](std::string& h) { h[156] = '5'; },                       // a folder
        [](std::string& h) { h[156] = 'L'; },                       // a long name follows
        [](std::string& h) { h.replace(0, 7, "../../x"); },         // another name
        [](std::string& h) { h.replace(157, 11, "/etc/passwd"); },  // the target of a link
        [](std::string& h) { h.replace(100, 7, "0004755"); },       // a mode
        [](std::string& h) { h.replace(124, 11, "77777777777"); },  // 8 GiB
        [](std::string& h) {
            h.replace(124, 12, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
        },
        [](std::string& h) {
            h.replace(124, 12, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
        },
        [](std::string& h) { h.replace(345, 4, "/etc"); },  // a prefix
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        put(with_header(whole, second, changes[i]));
        EXPECT_EQ(refused().code, "backup_damaged") << "change " << i;
    }
    put(with_header(whole, second, [](std::string&) {}));
    EXPECT_TRUE(Archive::open(file_)) << "the change alone is what was refused";
}

TEST_F(ArchiveTest, a_part_that_comes_twice_is_refused) {
    write({{"rows.db", "one"}, {"rows.db", "two"}});
    EXPECT_THAT(refused().message, HasSubstr("twice"));
}

TEST_F(ArchiveTest, a_folder_that_is_not_there_is_told) {
    EXPECT_EQ(ArchiveWriter::create(folder_ / "no/loco.tar").error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace loco::backup
