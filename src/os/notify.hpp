// Tells the service manager that started this process how far it is: systemd's sd_notify protocol (Type=notify), which is a
// datagram to the socket that $NOTIFY_SOCKET names.
#pragma once

#include <string>
#include <string_view>

namespace loco::os {

// Takes NOTIFY_SOCKET out of the environment, so that no child speaks in this process's name. Before threads.
class ServiceManager {
  public:
    ServiceManager();
    // "READY=1". Nothing happens where there is none, or it does not listen.
    void tell(std::string_view state) const;

  private:
    std::string socket_;
};

}  // namespace loco::os
