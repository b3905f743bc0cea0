#include "mhc/version.h"

#define MHC__TEXT(x)                     #x
#define MHC__DOTTED(major, minor, patch) MHC__TEXT(major) "." MHC__TEXT(minor) "." MHC__TEXT(patch)

const char *mhc_version(void) {
    return MHC__DOTTED(MHC_VERSION_MAJOR, MHC_VERSION_MINOR, MHC_VERSION_PATCH);
}
