/* Instruction sets. Kernels are written once over simd/vec.h and compiled for each of these (files named *.isa.c); one
 * is chosen when the program first asks. Results are the same bits with any of them. */
#ifndef MHC_SIMD_ISA_H
#define MHC_SIMD_ISA_H

typedef enum mhc__isa { MHC__ISA_SCALAR = 0, MHC__ISA_NEON, MHC__ISA_AVX2, MHC__ISA_AVX512, MHC__ISA_COUNT } mhc__isa;

/* "scalar", "neon", "avx2", "avx512": as MHC_ISA names them. Static storage. */
const char *mhc__isa_name(mhc__isa isa);

/* Compiled in, and this processor has it. */
int mhc__isa_available(mhc__isa isa);

/* MHC_ISA where it names an available one, else the widest available. The same for the life of the process. */
mhc__isa mhc__isa_chosen(void);

/* NULL, or what is wrong with MHC_ISA (static storage), in which case it was ignored. */
const char *mhc__isa_complaint(void);

#endif
