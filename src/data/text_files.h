/* The bytes of a text file (mapped), or of all files of a folder and its sub-folders, in the order of their paths,
 * joined by line feeds. Names that start with a dot are left out. What is packed with gzip or xz is unpacked; other
 * archives are refused (MHC_UNSUPPORTED), since a model would learn their bytes without a word of complaint. */
#ifndef MHC_DATA_TEXT_FILES_H
#define MHC_DATA_TEXT_FILES_H

#include "data/token_array.h"

mhc_status mhc__text_files_read(const char *path, mhc__token_array *bytes, mhc_error *error);

#endif
