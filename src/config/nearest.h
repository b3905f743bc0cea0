/* "Did you mean …?" */
#ifndef MHC_CONFIG_NEAREST_H
#define MHC_CONFIG_NEAREST_H

/* Edits (insert, remove, replace, swap of neighbours) that turn a into b. Words longer than 63 bytes count as far away.
 */
int mhc__edit_distance(const char *a, const char *b);
/* The choice nearest to word (choices end with NULL), or NULL when none is near enough to be what was meant. */
const char *mhc__nearest(const char *word, const char *const *choices);

#endif
