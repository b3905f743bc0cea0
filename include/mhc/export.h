/* Which symbols libmhc shows. Everything else in the library is hidden. */
#ifndef MHC_EXPORT_H
#define MHC_EXPORT_H

#if defined(_WIN32) && defined(MHC_SHARED)
#ifdef MHC_BUILDING
#define MHC_API __declspec(dllexport)
#else
#define MHC_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define MHC_API __attribute__((visibility("default")))
#else
#define MHC_API
#endif

#endif
