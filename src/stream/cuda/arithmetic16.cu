#define MHC__MOST_STREAMS 16
#include "stream/constraint/rows.h"
#include "stream/mapping/coefficients_device.h"
