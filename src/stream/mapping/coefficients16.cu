#define MHC__MOST_STREAMS 16
#include "stream/mapping/coefficients_unit.h"
