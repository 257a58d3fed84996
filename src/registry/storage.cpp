#include "registry/storage.hpp"

#include <algorithm>
#include <set>

#include "crypto/hash.hpp"
#include "os/file.hpp"
#include "registry/token_service.hpp"

namespace loco::registry {
namespace {

constexpr int kMaxDepth = 2;  // an index, and its manifests
constexpr std::size_t kMaxEntries = 64;
constexpr std::size_t kMaxLayers = 512;

std::string hex_of(const std::string& digest) {
    LOCO_CHECK(is_digest(digest));
    return digest.substr(digest.find(':') + 1);
}

class Reader {
  public:
    explicit Reader(const ManifestSource& source) : source_(source) {}

    Result<> read(const std::string& digest, int depth) {
        if (!is_digest(digest)) return fail(ErrorKind::invalid, "no digest of an image");
        LOCO_ASSIGN(const auto body, source_(digest));
        if ("sha256:" + crypto::sha256_hex(body) != digest)
            return fail(ErrorKind::invalid, "the manifest " + digest + " has another digest");
        LOCO_ASSIGN(const auto parsed, parse_manifest(body));
        if (parsed.index) {
            if (depth >= kMaxDepth || parsed.manifests.size() > kMaxEntries)
                return fail(ErrorKind::invalid, "an image of indexes in indexes");
            for (const auto& entry : parsed.manifests) LOCO_TRY(read(entry.digest, depth + 1));
        } else {
            if (parsed.layers.size() > kMaxLayers)
                return fail(ErrorKind::invalid, "more layers than any engine takes");
            LOCO_TRY(add(parsed.config));
            for (const auto& layer : parsed.layers) LOCO_TRY(add(layer));
        }
        image.manifests.push_back(digest);
        return {};
    }

    StoredImage image;

  private:
    Result<> add(const Descriptor& blob) {
        if (!is_digest(blob.digest) || blob.size < 0)
            return fail(ErrorKind::invalid, "the image's manifest names a part without a digest");
        if (seen_.insert(blob.digest).second) image.blobs.push_back(blob);
        return {};
    }

    const ManifestSource& source_;
    std::set<std::string> seen_;
};

Result<> write_link(const std::filesystem::path& folder, const std::string& digest) {
    LOCO_TRY(os::make_directories(folder, 0700));
    return os::write_file_atomically(folder / "link", digest, 0600);
}

}  // namespace

Result<StoredImage> read_image(const std::string& digest, const ManifestSource& source) {
    Reader reader(source);
    LOCO_TRY(reader.read(digest, 1));
    return std::move(reader.image);
}

std::filesystem::path Storage::blob(const std::string& digest) const {
    const auto hex = hex_of(digest);
    return root_ / "docker/registry/v2/blobs/sha256" / hex.substr(0, 2) / hex / "data";
}

Result<StoredImage> Storage::image(const std::string& digest) const {
    LOCO_ASSIGN(auto image, read_image(digest, [this](const std::string& of) {
                    return os::read_file(blob(of), kMaxManifest);
                }));
    for (const auto& part : image.blobs) {
        LOCO_ASSIGN(const auto file, os::InputFile::open(blob(part.digest)));
        if (file.size() != part.size)
            return fail(ErrorKind::invalid, "the layer " + part.digest + " has another size");
    }
    return image;
}

Result<> Storage::link(const std::string& repository, const StoredImage& image) const {
    if (!is_repository(repository)) return fail(ErrorKind::invalid, "no repository's name");
    const auto folder = root_ / "docker/registry/v2/repositories" / repository;
    for (const auto& part : image.blobs)
        LOCO_TRY(write_link(folder / "_layers/sha256" / hex_of(part.digest), part.digest));
    for (const auto& manifest : image.manifests)
        LOCO_TRY(write_link(folder / "_manifests/revisions/sha256" / hex_of(manifest), manifest));
    return {};
}

}  // namespace loco::registry
