#include "crypto/box.hpp"

#include <gtest/gtest.h>

namespace loco::crypto {
namespace {

const Secret<> kSeed(std::string(64, 'a'));
const Secret<> kOther(std::string(64, 'b'));

TEST(Box, OnlyItsOwnerOpensWhatWasSealedForIt) {
    const auto box = Box::of_seed(kSeed).value();
    const auto sealed = seal_for(box.public_key(), Secret<>("a\nsecret")).value();
    EXPECT_EQ(sealed.find("secret"), std::string::npos);
    EXPECT_EQ(box.open(sealed).value().reveal(), "a\nsecret");
    EXPECT_EQ(Box::of_seed(kOther).value().open(sealed).error().code, "unboxing_failed");
}

TEST(Box, TheSameSeedGivesTheSameKeyAndEverySealIsAnother) {
    const auto box = Box::of_seed(kSeed).value();
    EXPECT_EQ(box.public_key(), Box::of_seed(kSeed).value().public_key());
    EXPECT_EQ(box.public_key().size(), 43U);
    EXPECT_NE(box.public_key(), Box::of_seed(kOther).value().public_key());
    EXPECT_NE(seal_for(box.public_key(), Secret<>("x")).value(),
              seal_for(box.public_key(), Secret<>("x")).value());
}

TEST(Box, WhatWasChangedOrIsNoBoxIsNotOpened) {
    const auto box = Box::of_seed(kSeed).value();
    auto sealed = seal_for(box.public_key(), Secret<>("value")).value();
    for (const std::size_t at : {std::size_t{0}, sealed.size() / 2, sealed.size() - 2}) {
        auto changed = sealed;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(box.open(changed)) << at;
    }
    for (const auto* text : {"", "?", "AAAA", "no box at all"}) EXPECT_FALSE(box.open(text));
    EXPECT_FALSE(box.open(std::string(2 * kMaxBoxed + 1, 'A')));
    EXPECT_TRUE(
        box.open(seal_for(box.public_key(), Secret<>("")).value()).value().reveal().empty());
}

TEST(Box, WhatIsNoPublicKeyIsRefused) {
    for (const auto& key : {std::string(), std::string("?"), std::string(42, 'A'),
                            std::string(43, 'A') /* of small order */, std::string(100, 'B')})
        EXPECT_EQ(seal_for(key, Secret<>("x")).error().code, "invalid_public_key") << key;
    const auto box = Box::of_seed(kSeed).value();
    EXPECT_EQ(seal_for(box.public_key(), Secret<>(std::string(kMaxBoxed + 1, 'x'))).error().kind,
              ErrorKind::too_large);
    EXPECT_FALSE(Box::of_seed(Secret<>("short")));
}

}  // namespace
}  // namespace loco::crypto
