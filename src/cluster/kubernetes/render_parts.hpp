// The pieces of a rendering. For the sources of this folder only.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/kubernetes/render.hpp"

namespace loco::cluster {

namespace json = boost::json;

// What every object of one app's rendering begins with.
class Objects {
  public:
    Objects(const ClusterApp& app, const RenderOptions& options);

    // apiVersion, kind, metadata: to be filled.
    [[nodiscard]] json::object begin(const kubernetes::Kind& kind, std::string_view name,
                                     json::object more_labels = {},
                                     json::object annotations = {}) const;
    // Of one process's pods, of whichever set: never changes, as a Deployment's cannot.
    [[nodiscard]] json::object selector(std::string_view process) const;
    // Of the pods of this set.
    [[nodiscard]] json::object pod_labels(std::string_view process) const;

    [[nodiscard]] const ClusterApp& app() const { return app_; }
    [[nodiscard]] const AppSpec& spec() const { return app_.release.spec; }
    [[nodiscard]] const RenderOptions& options() const { return options_; }
    [[nodiscard]] const std::string& where() const { return namespace_; }

  private:
    [[nodiscard]] json::object labels() const;

    const ClusterApp& app_;
    const RenderOptions& options_;
    std::string namespace_;
};

// Whether its number is the autoscaler's to say.
[[nodiscard]] bool is_scaled(const ClusterProcess& process);

[[nodiscard]] json::object merged(json::object into, const json::object& more);
[[nodiscard]] json::object to_object(const std::map<std::string, std::string>& map);
[[nodiscard]] json::array to_array(const std::vector<std::string>& list);

// render_place.cpp
[[nodiscard]] Manifest namespace_manifest(const Objects& objects);
[[nodiscard]] Manifest network_policy(const Objects& objects);

// render_workload.cpp
[[nodiscard]] Manifest environment(const Objects& objects);
[[nodiscard]] Manifest deployment(const Objects& objects, const ClusterProcess& process);
[[nodiscard]] Manifest autoscaler(const Objects& objects, const ClusterProcess& process);
[[nodiscard]] Manifest disruption_budget(const Objects& objects, const ClusterProcess& process);
[[nodiscard]] Manifest release_job(const Objects& objects, const ClusterCommand& command);

// render_routes.cpp
[[nodiscard]] Manifest service(const Objects& objects, const ClusterProcess& process);
[[nodiscard]] std::vector<Manifest> routes(const Objects& objects, const ClusterProcess& process);

}  // namespace loco::cluster
