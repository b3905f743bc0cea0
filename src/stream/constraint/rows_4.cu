#define MHC__MOST_STREAMS    4
#define MHC__CONSTRAINT_ROWS mhc__cuda_constraint_rows_4
#include "stream/constraint/rows.h"
