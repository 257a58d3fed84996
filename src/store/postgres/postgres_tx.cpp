#include "store/common/sql_tx_impl.hpp"
#include "store/postgres/postgres_sql.hpp"

namespace loco::store {

template class SqlTx<PostgresSql>;

}  // namespace loco::store
