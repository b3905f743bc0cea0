/* libmhc: manifold-constrained hyper-connections, forward and backward, behind a plain C interface.
 *
 * Include this file for everything; read the others in this order, they are the manual:
 *   mhc/status.h    status codes and messages          mhc/site.h    pre and merge, forward and backward: the heart
 *   mhc/context.h   device and threads                 mhc/ends.h    expand and contract
 *   mhc/spec.h      conventions, presets               mhc/oracle.h  the same in fp64, as definition and test */
#ifndef MHC_MHC_H
#define MHC_MHC_H

#include "mhc/context.h"
#include "mhc/ends.h"
#include "mhc/oracle.h"
#include "mhc/site.h"
#include "mhc/spec.h"
#include "mhc/status.h"
#include "mhc/version.h"

#endif
