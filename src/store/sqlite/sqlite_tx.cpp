#include "store/common/sql_tx_impl.hpp"
#include "store/sqlite/sqlite_sql.hpp"

namespace loco::store {

template class SqlTx<SqliteSql>;

}  // namespace loco::store
