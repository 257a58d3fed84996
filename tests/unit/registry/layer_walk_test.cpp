#include "registry/layer_walk.hpp"

#include <gtest/gtest.h>

#include "tests/unit/registry/tar.hpp"

namespace loco::registry {
namespace {

using test::gzip;
using test::tar_of;
using test::TarEntry;
using test::zstd;

class LayerWalk : public testing::Test {
  protected:
    // The lowest layer first.
    Result<std::string> find(const std::vector<std::string>& layers,
                             const std::string& path = "etc/passwd") {
        opened_.clear();
        const OpenLayer open = [&](std::size_t layer) -> Result<ByteSource> {
            opened_.push_back(static_cast<int>(layer));
            auto at = std::make_shared<std::size_t>(0);
            return [&layers, layer, at, this]() -> Result<std::string> {
                const auto piece = layers[layer].substr(*at, piece_);
                *at += piece.size();
                if (piece.empty() && layer == bad_) return fail(ErrorKind::invalid, "wrong digest");
                return piece;
            };
        };
        WalkBudget budget(bounds_, clock_, &stopped_);
        LOCO_ASSIGN(const auto found, read_files({path}, layers.size(), open, budget));
        return found.at(0);
    }
    static std::string layer(const std::vector<TarEntry>& entries) { return tar_of(entries); }

    SystemClock clock_;
    WalkBounds bounds_;
    std::atomic<bool> stopped_ = false;
    std::size_t piece_ = 700;  // so that headers come in parts
    std::size_t bad_ = 1000;
    std::vector<int> opened_;
};

const TarEntry kOld{"etc/passwd", "old"};
const TarEntry kNew{"etc/passwd", "new"};

TEST_F(LayerWalk, TheTopmostLayerThatHasTheFileCountsAndThoseBelowAreNotRead) {
    EXPECT_EQ(find({layer({kOld}), layer({kNew}), layer({{"app", "x"}})}), "new");
    EXPECT_EQ(opened_, (std::vector{2, 1}));
    EXPECT_EQ(find({layer({{"app", "x"}})}), "");
    EXPECT_EQ(find({}), "");
}

TEST_F(LayerWalk, LayersArePlainGzipOrZstd) {
    const auto tar = layer({{"big", std::string(300'000, 'x')}, kNew});
    EXPECT_EQ(find({gzip(tar)}), "new");
    EXPECT_EQ(find({zstd(tar)}), "new");
    EXPECT_EQ(find({gzip(tar), zstd(layer({{"app"}})), gzip(layer({}))}), "new");
    piece_ = 1;
    EXPECT_EQ(find({gzip(layer({kNew}))}), "new");
    for (const auto& empty : {std::string(), gzip("")}) {
        const auto found = find({empty});
        EXPECT_TRUE(found && found->empty()) << (found ? *found : found.error().message);
    }
}

TEST_F(LayerWalk, WhatIsNoLayerIsRefused) {
    EXPECT_EQ(find({"this is no tar" + std::string(2000, '?')}).error().code, "image_unreadable");
    EXPECT_EQ(find({gzip(std::string(2000, '?'))}).error().code, "image_unreadable");
    const auto good = gzip(layer({{"big", std::string(300'000, 'x')}, kNew}));
    EXPECT_EQ(find({good.substr(0, good.size() / 2)}).error().code, "image_unreadable");
    EXPECT_EQ(find({gzip(good)}).error().code, "image_unreadable") << "packed twice";
}

TEST_F(LayerWalk, WhatWasRemovedIsNotThere) {
    EXPECT_EQ(find({layer({kOld}), layer({{"etc/.wh.passwd"}})}), "");
    EXPECT_EQ(opened_, (std::vector{1}));
    EXPECT_EQ(find({layer({kOld}), layer({{".wh.etc"}})}), "");
    EXPECT_EQ(find({layer({kOld}), layer({{"etc/.wh..wh..opq"}})}), "");
    EXPECT_EQ(find({layer({kOld}), layer({{".wh..wh..opq"}})}), "");
    EXPECT_EQ(find({layer({kOld}), layer({{"etc/.wh.passwd-"}, {"usr/.wh..wh..opq"}})}), "old");
}

TEST_F(LayerWalk, AWhiteoutIsForTheLayersBelowItsOwn) {
    EXPECT_EQ(find({layer({kOld}), layer({kNew, {"etc/.wh.passwd"}})}), "new");
    EXPECT_EQ(find({layer({kOld}), layer({{"etc/.wh..wh..opq"}, kNew})}), "new");
    EXPECT_EQ(find({layer({kOld}), layer({{"etc/.wh.passwd"}}), layer({kNew})}), "new");
}

TEST_F(LayerWalk, OfOneLayersEntriesTheLastCounts) {
    EXPECT_EQ(find({layer({kOld, kNew})}), "new");
    EXPECT_EQ(find({layer({{"etc/passwd", "", '2', "shadow"}, kNew})}), "new");
    EXPECT_EQ(find({layer({kNew, {"etc/passwd", "", '5'}})}), "");
}

TEST_F(LayerWalk, NamesAreReadWithTheirDotsAndSlashes) {
    EXPECT_EQ(find({layer({{"./etc/passwd", "new"}})}), "new");
    EXPECT_EQ(find({layer({{"/etc//passwd", "new"}})}), "new");
    EXPECT_EQ(find({layer({{"./etc/", "", '5'}, {"./etc/./passwd", "new"}})}), "new");
}

TEST_F(LayerWalk, APathThatLeadsOutOfTheImageIsNothing) {
    for (const char* name : {"../etc/passwd", "etc/../../etc/passwd", "x/../etc/passwd",
                             "etc/passwd/..", "/../etc/passwd"}) {
        EXPECT_EQ(find({layer({kOld}), layer({{name, "evil"}})}), "old") << name;
    }
}

TEST_F(LayerWalk, LinksAreFollowedInsideTheImage) {
    const auto real = layer({{"usr/share/real", "new"}});
    EXPECT_EQ(find({real, layer({{"etc/passwd", "", '2', "/usr/share/real"}})}), "new");
    EXPECT_EQ(find({real, layer({{"etc/passwd", "", '2', "../usr/share/real"}})}), "new");
    EXPECT_EQ(find({real, layer({{"etc/passwd", "", '2', "../../../../usr/./share//real"}})}),
              "new");
    EXPECT_EQ(find({real, layer({{"etc", "", '2', "etc2"}}),
                    layer({{"etc2/passwd", "", '2', "/usr/share/real"}})}),
              "new");
    EXPECT_EQ(find({layer({{"etc/passwd", "", '2', "/usr/share/real"}}), real}), "new");
    EXPECT_EQ(find({layer({{"etc/passwd", "", '2', "/nowhere"}})}), "");
    EXPECT_EQ(find({layer({{"etc/passwd", "", '2', "/"}})}), "");
    EXPECT_EQ(find({layer({{"etc/passwd", "", '2', ""}})}), "");
}

TEST_F(LayerWalk, ALinkToWhatTheHostHasFindsNothingOfTheHost) {
    EXPECT_EQ(find({layer({{"etc/passwd", "", '2', "/../../../../etc/hostname"}})}), "");
    EXPECT_EQ(find({layer({{"etc", "", '2', "../../../../etc"}})}), "");
}

TEST_F(LayerWalk, LinksInACircleEnd) {
    EXPECT_EQ(find({layer({{"etc/passwd", "", '2', "passwd"}})}), "");
    EXPECT_EQ(find({layer({{"etc/passwd", "", '1', "etc/passwd"}})}), "");
    EXPECT_EQ(find({layer({{"etc", "", '2', "etc/etc"}})}), "");
    EXPECT_LE(opened_.size(), 9U);
}

TEST_F(LayerWalk, AHardLinkIsTheFileOfItsLayerOrBelow) {
    EXPECT_EQ(find({layer({{"a", "new"}, {"etc/passwd", "", '1', "a"}})}), "new");
    EXPECT_EQ(
        find({layer({{"a", "new"}, {"etc/passwd", "", '1', "./a"}}), layer({{"a", "other"}})}),
        "new");
    EXPECT_EQ(find({layer({kOld}), layer({{"etc/passwd", "", '1', "../a"}})}), "");
}

TEST_F(LayerWalk, AFolderAboveALinkHidesIt) {
    EXPECT_EQ(find({layer({{"real/passwd", "evil"}}), layer({{"etc", "", '2', "real"}}),
                    layer({{"etc/", "", '5'}, {"etc/hosts", "x"}})}),
              "");
    EXPECT_EQ(find({layer({kOld}), layer({{"etc", "a file"}})}), "");
    EXPECT_EQ(find({layer({kOld}), layer({{"etc/passwd", "", '3'}})}), "");
}

TEST_F(LayerWalk, ALayerWithAnotherDigestCountsForNothing) {
    bad_ = 0;
    EXPECT_EQ(find({gzip(layer({kNew}))}).error().kind, ErrorKind::invalid);
    EXPECT_EQ(find({layer({kNew})}).error().kind, ErrorKind::invalid);
    EXPECT_EQ(find({layer({kOld}), layer({kNew})}), "new") << "it is not needed";
}

TEST_F(LayerWalk, ABombIsRefusedSoonAndInLittleMemory) {
    bounds_.unpacked_bytes = 64 << 20;
    // An entry of 4 GiB, of which there are as many zeros as a bomb needs.
    const auto bomb = test::tar_entry({"bomb"}, 4'294'967'296U) + std::string(100U << 20, '\0');
    piece_ = 64 << 10;
    EXPECT_EQ(find({gzip(bomb)}).error().code, "image_user_unreadable");
    EXPECT_EQ(find({zstd(bomb)}).error().code, "image_user_unreadable");
    const auto twice = zstd(zstd(bomb));
    EXPECT_EQ(find({twice}).error().code, "image_unreadable") << "only one wrapping is taken off";
}

TEST_F(LayerWalk, EveryBoundIsKept) {
    const auto image = layer({{"a", std::string(5000, 'x')}, {"b"}, {"c"}, kNew});
    bounds_.entries = 3;
    EXPECT_EQ(find({image}).error().code, "image_user_unreadable");
    bounds_ = {};
    bounds_.stored_bytes = 5000;
    EXPECT_EQ(find({image}).error().code, "image_user_unreadable");
    bounds_ = {};
    bounds_.time = std::chrono::seconds(-1);
    EXPECT_EQ(find({image}).error().code, "image_user_unreadable");
    bounds_ = {};
    bounds_.file_bytes = 2;
    EXPECT_EQ(find({image}).error().code, "image_user_unreadable");
    EXPECT_EQ(find({layer({test::TarEntry{"etc/passwd", "ab"}})}), "ab");
    stopped_ = true;
    EXPECT_EQ(find({image}).error().kind, ErrorKind::interrupted);
}

TEST_F(LayerWalk, SeveralFilesAreFoundInOneWalk) {
    const std::vector layers{layer({kOld, {"etc/group", "g"}}), layer({kNew})};
    std::vector<int> opened;
    const OpenLayer open = [&](std::size_t layer) -> Result<ByteSource> {
        opened.push_back(static_cast<int>(layer));
        auto given = std::make_shared<bool>(false);
        return [&layers, layer, given]() -> Result<std::string> {
            return std::exchange(*given, true) ? std::string() : layers[layer];
        };
    };
    WalkBudget budget(bounds_, clock_);
    EXPECT_EQ(read_files({"etc/passwd", "etc/group"}, 2, open, budget),
              (std::vector<std::string>{"new", "g"}));
    EXPECT_EQ(opened, (std::vector{1, 0}));
}

}  // namespace
}  // namespace loco::registry
