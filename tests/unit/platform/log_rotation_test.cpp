// The writer is another program's: it holds the file open for appending and knows nothing of rotation.
#include "platform/log_rotation.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

namespace loco::platform {
namespace {

class LogRotationTest : public testing::TestWithParam<const char*> {
  protected:
    LogRotationTest() {
        std::string name = std::string(GetParam()) + "/rotation.XXXXXX";
        folder_ = ::mkdtemp(name.data());
        file_ = folder_ / "part.log";
        fd_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    }
    ~LogRotationTest() override {
        ::close(fd_);
        std::filesystem::remove_all(folder_);
    }

    void write(const std::string& text) const {
        ASSERT_EQ(::write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    void write_lines(int from, int to) const {
        for (int i = from; i < to; ++i) write("line " + std::to_string(i) + "\n");
    }
    // The oldest first.
    [[nodiscard]] std::string all() const {
        std::string text;
        for (int number = 999; number >= 0; --number) {
            const auto path =
                number == 0 ? file_ : folder_ / ("part.log." + std::to_string(number));
            std::ifstream in(path);
            text += std::string(std::istreambuf_iterator<char>(in), {});
        }
        return text;
    }
    static std::string lines(int from, int to) {
        std::string text;
        for (int i = from; i < to; ++i) text += "line " + std::to_string(i) + "\n";
        return text;
    }

    std::filesystem::path folder_;
    std::filesystem::path file_;
    int fd_ = -1;
};

TEST_P(LogRotationTest, ASmallFileIsLeftAsItIs) {
    write_lines(0, 10);
    EXPECT_FALSE(rotate(file_, {.bytes = 1000}).value());
    EXPECT_EQ(all(), lines(0, 10));
}

TEST_P(LogRotationTest, TheWriterGoesOnAtTheEndAndNothingIsMissing) {
    for (int round = 0; round < 5; ++round) {
        write_lines(round * 3000, (round + 1) * 3000);
        EXPECT_TRUE(rotate(file_, {.bytes = 20'000, .files = 100}).value());
        struct stat info{};
        ASSERT_EQ(::stat(file_.c_str(), &info), 0);
        EXPECT_LT(info.st_size, 20'000) << "neither large nor with a hole in front";
    }
    EXPECT_EQ(all(), lines(0, 15'000));
}

TEST_P(LogRotationTest, OnlySoManyFilesAreKeptAndTheyArePrivate) {
    for (int round = 0; round < 6; ++round) {
        write_lines(round * 3000, (round + 1) * 3000);
        EXPECT_TRUE(rotate(file_, {.bytes = 20'000, .files = 3}).value());
    }
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
        ++count;
        struct stat info{};
        ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777U, 0600U) << entry.path();
    }
    EXPECT_EQ(count, 3U);
    EXPECT_TRUE(all().ends_with(lines(15'000, 18'000)));
}

TEST_P(LogRotationTest, AFolderIsLookedThroughForLogsOnly) {
    write(std::string(5000, 'x'));
    std::ofstream(folder_ / "other.txt") << std::string(5000, 'y');
    LogRotation(folder_, {.bytes = 1000}).step();
    EXPECT_TRUE(std::filesystem::exists(folder_ / "part.log.1"));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "other.txt.1"));
}

INSTANTIATE_TEST_SUITE_P(Disk, LogRotationTest, testing::Values("/var/tmp"));
// The front of a file in memory can't be cut off: the other way.
INSTANTIATE_TEST_SUITE_P(Memory, LogRotationTest, testing::Values("/dev/shm"));

class LogRotationOnDisk : public LogRotationTest {};

TEST_P(LogRotationOnDisk, NoLineIsLostWhileTheWriterWritesOn) {
    // What cutting needs.
    write(std::string(64 << 10, 'x'));
    if (::fallocate(::open(file_.c_str(), O_RDWR | O_CLOEXEC), FALLOC_FL_COLLAPSE_RANGE, 0,
                    32 << 10) != 0) {
        GTEST_SKIP() << "the front of a file can't be cut off on the file system of " << GetParam();
    }
    ASSERT_EQ(::ftruncate(fd_, 0), 0);
    constexpr int kLines = 60'000;
    std::atomic<bool> done = false;
    std::thread writer([&] {
        write_lines(0, kLines);
        done = true;
    });
    int rotations = 0;
    while (!done) rotations += rotate(file_, {.bytes = 20'000, .files = 1000}).value() ? 1 : 0;
    writer.join();
    EXPECT_GT(rotations, 3);
    EXPECT_EQ(all(), lines(0, kLines));
}

INSTANTIATE_TEST_SUITE_P(Disk, LogRotationOnDisk, testing::Values("/var/tmp"));

}  // namespace
}  // namespace loco::platform
