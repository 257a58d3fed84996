// What a request costs at the least with Go's net/http: one small JSON document, no authentication, no database.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"hello": "world"})
	})
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
