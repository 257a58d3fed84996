#include "store/common/write_queue.hpp"

#include "base/error.hpp"

namespace loco::store {
namespace {

// Writes that wait. More can't be than threads that call; the bound is for a mistake.
constexpr std::size_t kMaxWaiting = 4096;
// One transaction's, so that nobody waits long for the others of a batch.
constexpr std::size_t kMaxBatch = 256;

}  // namespace

WriteQueue::WriteQueue(Commit commit) : commit_(std::move(commit)), thread_([this] { run(); }) {}

WriteQueue::~WriteQueue() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    arrived_.notify_one();
}

Result<> WriteQueue::write(const Store::WriteFn& work) {
    LOCO_CHECK(std::this_thread::get_id() != thread_.get_id());  // it would wait for itself
    const auto job = std::make_shared<Job>(work);
    {
        const std::lock_guard lock(mutex_);
        if (stopping_)
            return fail(ErrorKind::unavailable, "loco-api is stopping", "try again in a moment");
        if (waiting_.size() >= kMaxWaiting) {
            return fail(ErrorKind::unavailable, "too many writes wait for the database",
                        "try again in a moment", "database_busy");
        }
        waiting_.push_back(job);
    }
    arrived_.notify_one();
    job->done.acquire();
    if (job->thrown) std::rethrow_exception(job->thrown);
    return std::move(job->result);
}

void WriteQueue::run() {
    while (true) {
        Batch batch;
        {
            std::unique_lock lock(mutex_);
            arrived_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            if (waiting_.size() <= kMaxBatch) {
                batch.swap(waiting_);
            } else {
                const auto end = waiting_.begin() + kMaxBatch;
                batch.assign(std::make_move_iterator(waiting_.begin()),
                             std::make_move_iterator(end));
                waiting_.erase(waiting_.begin(), end);
            }
        }
        for (std::size_t first = 0; first < batch.size();) {
            const auto next = commit_(batch, first);
            std::vector<Event> events;
            for (auto i = first; i < next; ++i) {
                auto& own = batch[i]->events;
                events.insert(events.end(), std::make_move_iterator(own.begin()),
                              std::make_move_iterator(own.end()));
            }
            if (listener_ && !events.empty()) listener_(events);
            for (auto i = first; i < next; ++i) batch[i]->done.release();
            first = next;
        }
    }
}

}  // namespace loco::store
