// Carries bytes between those who connect and a TCP server of this machine, until the test cuts the line or lets it hang:
// open at both ends and silent, as when a machine in between has frozen.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace loco::test {

class TcpRelay {
  public:
    explicit TcpRelay(std::uint16_t upstream);
    ~TcpRelay();
    TcpRelay(const TcpRelay&) = delete;
    TcpRelay& operator=(const TcpRelay&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }
    // Every line that is open now.
    void cut_all();
    // Nothing is carried, nor is anybody let in, until it is false again.
    void hang(bool on) { hangs_ = on; }

  private:
    void accept();
    void carry(int client);

    std::uint16_t upstream_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<bool> hangs_ = false;
    std::mutex mutex_;
    std::set<int> open_;  // guarded by mutex_, as is threads_
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

}  // namespace loco::test
