#include "crypto/seal.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "os/file.hpp"

namespace loco::crypto {
namespace {

class SealTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = ::testing::TempDir() + "loco-seal-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::filesystem::path key() const { return folder_ / "seal.key"; }
    [[nodiscard]] Sealer sealer() const {
        auto opened = Sealer::open(key());
        EXPECT_TRUE(opened) << opened.error().message;
        return *std::move(opened);
    }

    std::filesystem::path folder_;
};

TEST_F(SealTest, WhatWasSealedIsReadAgainAlsoAfterARestart) {
    for (const auto& value : {std::string(), std::string("hunter2"), std::string("a\0b\xff", 4),
                              std::string(65'536, 'x')}) {
        const auto sealed = sealer().seal("app_1", "KEY", Secret<>(value));
        ASSERT_TRUE(sealed);
        const auto opened = sealer().open_sealed("app_1", "KEY", *sealed);
        ASSERT_TRUE(opened) << opened.error().message;
        EXPECT_EQ(opened->reveal(), value);
    }
}

TEST_F(SealTest, AKeyDerivedForAPurposeIsAlwaysTheSameAndNotThatOfAnother) {
    const auto one = sealer().derived("one");
    EXPECT_EQ(one.reveal(), sealer().derived("one").reveal());
    EXPECT_NE(one.reveal(), sealer().derived("two").reveal());
    EXPECT_EQ(one.reveal().size(), 64U);
    EXPECT_EQ(os::read_file(key(), 4096)->find(one.reveal()), std::string::npos);
}

TEST_F(SealTest, TheSealedTextShowsNothingAndDiffersEachTime) {
    const auto one = sealer().seal("app_1", "KEY", Secret<>("hunter2 hunter2"));
    const auto two = sealer().seal("app_1", "KEY", Secret<>("hunter2 hunter2"));
    EXPECT_NE(*one, *two);
    EXPECT_EQ(one->find("hunter2"), std::string::npos);
}

TEST_F(SealTest, AValueOfAnotherAppOrNameIsRefused) {
    const auto sealed = *sealer().seal("app_1", "KEY", Secret<>("v"));
    for (const auto& [app, name] :
         {std::pair{"app_2", "KEY"}, std::pair{"app_1", "KEY2"}, std::pair{"app_1K", "EY"}}) {
        const auto opened = sealer().open_sealed(app, name, sealed);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().kind, ErrorKind::invalid);
        EXPECT_EQ(opened.error().code, "unseal_failed");
    }
}

TEST_F(SealTest, AnyChangeIsNoticed) {
    const auto own = sealer();
    const auto sealed = *own.seal("app_1", "KEY", Secret<>("hunter2"));
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        auto changed = sealed;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        const auto opened = own.open_sealed("app_1", "KEY", changed);
        EXPECT_FALSE(opened) << i;
        if (!opened) EXPECT_EQ(opened.error().message.find("hunter2"), std::string::npos);
    }
    for (std::size_t length = 0; length < sealed.size(); ++length) {
        EXPECT_FALSE(own.open_sealed("app_1", "KEY", sealed.substr(0, length)));
    }
    EXPECT_FALSE(own.open_sealed("app_1", "KEY", sealed + "A"));
}

TEST_F(SealTest, AnotherKeyIsNamed) {
    const auto sealed = *sealer().seal("app_1", "KEY", Secret<>("v"));
    std::filesystem::remove(key());
    const auto opened = sealer().open_sealed("app_1", "KEY", sealed);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, "unseal_wrong_key");
}

TEST_F(SealTest, TheKeyIsMadeForItsOwnerOnly) {
    (void)sealer();
    struct stat info{};
    ASSERT_EQ(::stat(key().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(SealTest, AKeyThatOthersMayReadIsRefused) {
    (void)sealer();
    for (const mode_t mode : {0640U, 0604U, 0660U}) {
        ASSERT_EQ(::chmod(key().c_str(), mode), 0);
        const auto opened = Sealer::open(key());
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().kind, ErrorKind::forbidden);
        EXPECT_NE(opened.error().hint.find("chmod 600"), std::string::npos);
    }
}

TEST_F(SealTest, ALinkInPlaceOfTheKeyIsRefused) {
    (void)sealer();
    std::filesystem::rename(key(), folder_ / "other");
    std::filesystem::create_symlink(folder_ / "other", key());
    EXPECT_FALSE(Sealer::open(key()));
}

TEST_F(SealTest, AKeyThatIsKeptForUsMayBeAGroupsToReadAndBehindALink) {
    const auto id = sealer().key_id();
    const auto mounted = folder_ / "mounted";
    std::filesystem::create_symlink(key(), mounted);
    for (const mode_t mode : {0400U, 0440U, 0600U}) {
        ::chmod(key().c_str(), mode);
        const auto opened = Sealer::open_kept(mounted);
        ASSERT_TRUE(opened) << opened.error().message;
        EXPECT_EQ(opened->key_id(), id);
    }
    for (const mode_t mode : {0444U, 0460U, 0402U}) {
        ::chmod(key().c_str(), mode);
        const auto opened = Sealer::open_kept(mounted);
        ASSERT_FALSE(opened) << mode;
        EXPECT_EQ(opened.error().kind, ErrorKind::forbidden);
    }
    EXPECT_FALSE(Sealer::open_kept(folder_ / "none"));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "none"));
}

TEST_F(SealTest, AFileWithoutAKeyIsRefusedAndLeftAlone) {
    for (const auto* text :
         {"", "abc", "zz", "00",
          "0000000000000000000000000000000000000000000000000000000000000000ff"}) {
        std::ofstream(key()) << text;
        ASSERT_EQ(::chmod(key().c_str(), 0600), 0);
        const auto opened = Sealer::open(key());
        ASSERT_FALSE(opened) << text;
        EXPECT_EQ(opened.error().kind, ErrorKind::invalid);
        EXPECT_EQ(*os::read_file(key()), text);
    }
}

TEST_F(SealTest, AFolderThatIsNotThereIsAnError) {
    const auto opened = Sealer::open(folder_ / "none" / "seal.key");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace loco::crypto
