// The functions of libpq that Loco calls (base/on_demand.hpp): it and the libraries that it needs in turn (Kerberos, LDAP)
// are nothing that a server on SQLite should load.
#include <libpq-fe.h>

#include "base/on_demand.hpp"

namespace {

const loco::OnDemand& library() {
    static const loco::OnDemand kLibrary("libpq.so.5", "libpq5");
    return kLibrary;
}

}  // namespace

#define REAL(function) LOCO_FORWARD(library, function)

extern "C" {

int PQbackendPID(const PGconn* self) { return REAL(PQbackendPID)(self); }
void PQclear(PGresult* result) { REAL(PQclear)(result); }
char* PQcmdStatus(PGresult* result) { return REAL(PQcmdStatus)(result); }
PGconn* PQconnectdbParams(const char* const* keys, const char* const* values, int expand) {
    return REAL(PQconnectdbParams)(keys, values, expand);
}
void PQconninfoFree(PQconninfoOption* options) { REAL(PQconninfoFree)(options); }
PQconninfoOption* PQconninfoParse(const char* text, char** message) {
    return REAL(PQconninfoParse)(text, message);
}
int PQconsumeInput(PGconn* self) { return REAL(PQconsumeInput)(self); }
int PQenterPipelineMode(PGconn* self) { return REAL(PQenterPipelineMode)(self); }
char* PQerrorMessage(const PGconn* self) { return REAL(PQerrorMessage)(self); }
PGresult* PQexec(PGconn* self, const char* sql) { return REAL(PQexec)(self, sql); }
PGresult* PQexecPrepared(PGconn* self, const char* name, int count, const char* const* values,
                         const int* lengths, const int* formats, int result_format) {
    return REAL(PQexecPrepared)(self, name, count, values, lengths, formats, result_format);
}
int PQexitPipelineMode(PGconn* self) { return REAL(PQexitPipelineMode)(self); }
void PQfinish(PGconn* self) { REAL(PQfinish)(self); }
void PQfreemem(void* memory) { REAL(PQfreemem)(memory); }
PGresult* PQgetResult(PGconn* self) { return REAL(PQgetResult)(self); }
int PQgetisnull(const PGresult* result, int row, int column) {
    return REAL(PQgetisnull)(result, row, column);
}
int PQgetlength(const PGresult* result, int row, int column) {
    return REAL(PQgetlength)(result, row, column);
}
char* PQgetvalue(const PGresult* result, int row, int column) {
    return REAL(PQgetvalue)(result, row, column);
}
PGnotify* PQnotifies(PGconn* self) { return REAL(PQnotifies)(self); }
int PQisBusy(PGconn* self) { return REAL(PQisBusy)(self); }
int PQntuples(const PGresult* result) { return REAL(PQntuples)(result); }
const char* PQparameterStatus(const PGconn* self, const char* name) {
    return REAL(PQparameterStatus)(self, name);
}
PGpipelineStatus PQpipelineStatus(const PGconn* self) { return REAL(PQpipelineStatus)(self); }
int PQpipelineSync(PGconn* self) { return REAL(PQpipelineSync)(self); }
char* PQresultErrorField(const PGresult* result, int code) {
    return REAL(PQresultErrorField)(result, code);
}
int PQputCopyData(PGconn* self, const char* data, int size) {
    return REAL(PQputCopyData)(self, data, size);
}
int PQputCopyEnd(PGconn* self, const char* error) { return REAL(PQputCopyEnd)(self, error); }
ExecStatusType PQresultStatus(const PGresult* result) { return REAL(PQresultStatus)(result); }
int PQsendPrepare(PGconn* self, const char* name, const char* sql, int count, const Oid* types) {
    return REAL(PQsendPrepare)(self, name, sql, count, types);
}
int PQsendQuery(PGconn* self, const char* sql) { return REAL(PQsendQuery)(self, sql); }
int PQsendQueryParams(PGconn* self, const char* sql, int count, const Oid* types,
                      const char* const* values, const int* lengths, const int* formats,
                      int result_format) {
    return REAL(PQsendQueryParams)(self, sql, count, types, values, lengths, formats,
                                   result_format);
}
int PQsendQueryPrepared(PGconn* self, const char* name, int count, const char* const* values,
                        const int* lengths, const int* formats, int result_format) {
    return REAL(PQsendQueryPrepared)(self, name, count, values, lengths, formats, result_format);
}
int PQserverVersion(const PGconn* self) { return REAL(PQserverVersion)(self); }
int PQsocket(const PGconn* self) { return REAL(PQsocket)(self); }
ConnStatusType PQstatus(const PGconn* self) { return REAL(PQstatus)(self); }
PQnoticeProcessor PQsetNoticeProcessor(PGconn* self, PQnoticeProcessor process, void* argument) {
    return REAL(PQsetNoticeProcessor)(self, process, argument);
}
PGTransactionStatusType PQtransactionStatus(const PGconn* self) {
    return REAL(PQtransactionStatus)(self);
}

}  // extern "C"
