#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"kubernetes_unauthorized", unavailable,
                "The cluster does not know Loco's credentials",
                "They have expired, or are of another cluster.",
                "renew those that the kubeconfig or the ServiceAccount names"},
    Explanation{"kubernetes_credentials", unavailable, "Loco has no credentials for the cluster",
                "The file with its token or its certificate cannot be read, or the program that "
                "makes them failed.",
                "check the kubeconfig that the server's configuration names"},
    Explanation{"kubernetes_forbidden", unavailable, "Loco lacks a right in the cluster",
                "The message says which.",
                "compare the ClusterRole of its ServiceAccount with the chart's: helm upgrade puts "
                "it right"},
    Explanation{"kubernetes_unavailable", unavailable, "The cluster's API server has trouble",
                "Apps that run go on running; Loco goes on when it answers.",
                "kubectl get --raw '/readyz?verbose'"},
    Explanation{"cluster_not_known", unavailable, "The cluster has not told what there is",
                "Loco changes nothing while it does not know how things are.",
                "see the message, and the API server's /readyz"},
    Explanation{
        "cluster_not_heard", unavailable, "The cluster was not heard of for a while",
        "Loco changes nothing while it does not know how things are. Apps that run go on running.",
        "does the API server answer? kubectl get --raw /readyz"},
    Explanation{"admission_denied", refused, "A policy of the cluster refuses it",
                "Its own words, with the policy's name, are in the message.",
                "have the policy changed, or the app"},
    Explanation{"quota_exceeded", refused, "The namespace's quota is used up", "",
                "ask for less, or raise its ResourceQuota"},
    Explanation{"namespace_taken", refused, "The app's namespace is there and is not this Loco's",
                "", "remove or rename what uses it: kubectl get namespace NAME --show-labels"},
    Explanation{"namespace_leaving", unavailable, "The app's namespace is still being removed",
                "An app of that name was destroyed; Loco goes on when it is gone.",
                "if it stays: kubectl get namespace NAME -o yaml says what it waits for"},
    Explanation{"leadership_lost", unavailable, "Who leads cannot be told",
                "One of several loco-api leads: who holds a lock of PostgreSQL in its session. "
                "Something between shares sessions.",
                "no pooler (PgBouncer and the like) between loco-api and PostgreSQL, or one in "
                "session mode"},
};

}  // namespace

std::span<const Explanation> explained_cluster() { return kEntries; }

}  // namespace loco
