/* The study of contraction: how much of what the first layer wrote survives 60 to 500 mixing matrices. Inside: maps
 * alone, models, what is said of both. */
#ifndef MHC_STUDY_CONTRACTION_H
#define MHC_STUDY_CONTRACTION_H

#include "mhc/spec.h"
#include "probe/mixing.h"
#include "report/claim.h"
#include "report/html.h"
#include "study/arm.h"
#include "study/settings.h"
#include "study/variant.h"

enum {
    MHC__CONTRACTION_N = 4,       /* streams */
    MHC__CONTRACTION_HALF = 60,   /* sites after which half is left where the mass at the start is chosen for that */
    MHC__CONTRACTION_MAPS = 22,   /* constraints with a start */
    MHC__CONTRACTION_SPREADS = 3, /* of the logits' dynamic part */
    MHC__CONTRACTION_DEPTHS = 8,  /* at most */
    MHC__CONTRACTION_SUBJECTS = MHC__STUDY_MAX_CHOICES
};

/* What a group of maps is compared by: each is a picture's panel. */
typedef enum mhc__contraction_group {
    MHC__MAPS_PUBLISHED, /* each at a published start */
    MHC__MAPS_MATCHED,   /* all with the same mass off the diagonal */
    MHC__MAPS_LEAKY,     /* (1 - leak) I + leak K, K from logits around 0 */
    MHC__MAP_GROUPS
} mhc__contraction_group;

typedef struct mhc__contraction_map {
    const char *name;
    mhc__contraction_group group;
    const char *preset; /* what the rest of the spec is */
    mhc_constraint_kind constraint;
    mhc_start start;
    double gap;  /* > 0: starts with the mass of this gap instead */
    double beta; /* > 0: leak = beta / (2 sites) */
} mhc__contraction_map;
extern const mhc__contraction_map mhc__contraction_maps[MHC__CONTRACTION_MAPS];
/* 0: the start alone; 0.01: as the dynamic part starts; 1: as wide as trained ones have been seen. */
extern const double mhc__contraction_spreads[MHC__CONTRACTION_SPREADS];

/* What a stack of matrices does. Means over tokens unless said else; ln: natural logarithms. */
typedef struct mhc__contraction {
    int sites, streams;
    bool on_differences; /* differences stay among themselves; else the singular values are those of all streams */
    double mass;         /* sum_i (1 - H_ii), mean over sites */
    double mass_first;   /* of the first site alone */
    double volume;       /* -ln|det H|, mean over sites */
    double total;        /* of the product: the sum over sites */
    double largest, smallest, smallest_low; /* ln of singular values of the product; the least of all tokens */
    double forward_off;                     /* the largest distance of a row sum of the product from 1 */
    double backward_off;                    /* the same of a column sum */
    double rank;                            /* effective rank of the product */
    double uniform_ten;                     /* |P - 1/n|_F of the product of the first ten sites; NaN: fewer */
    double passed;    /* |P|_F^2 / n: the share of a random d x_0 that the mixing alone brings to x_L */
    double half_life; /* sites until half of a difference is left, from the first on; Inf: more than there are */
    double *survival; /* [sites]: ln of the rms singular value of the product of the first 1, 2, … */
} mhc__contraction;

/* Of what was measured with options.complete. Errors: MHC_OUT_OF_MEMORY. */
mhc_status mhc__contraction_of(const mhc__mixing *mixing, mhc__contraction *contraction, mhc_error *error);
void mhc__contraction_free(mhc__contraction *contraction);
/* ln of what is left of a random difference, root mean square; 0 is all. */
double mhc__contraction_left(const mhc__contraction *contraction);
/* -ln|det| of the product by the law near the identity: the sum over sites of sum_i (1 - H_ii). */
static inline double mhc__contraction_law(const mhc__contraction *contraction) {
    return contraction->sites * contraction->mass;
}

/* A model at one time. */
typedef struct mhc__contraction_look {
    mhc__contraction maps;
    double loss;
    int points;             /* sites + 1 */
    double *kept, *share;   /* [points]: of the differences that the first site wrote: ln of the share of their energy
                               that is left; over that of all differences there. NaN at 0, where streams are copies */
    double *difference;     /* [points]: share of the streams' energy that is in differences */
    double *gradient;       /* [points]: |dL/dX|, rms over tokens */
    double *of_mean, *rest; /* [points]: of its mean over streams, of its differences */
    double spread, cosine;  /* the largest of all points; before contraction */
} mhc__contraction_look;

typedef struct mhc__subject {
    char name[64], label[64], folder[1300];
    int style;
    const mhc__arm *arm; /* NULL: a checkpoint that was given */
    int64_t step;        /* updates that the weights have seen */
    bool finite;         /* the arm was trained to the end; else no look after training */
    mhc__contraction_look before, after;
} mhc__subject;

typedef struct mhc__contraction_study {
    const mhc__study_options *options;
    mhc__study_folder folder;
    int depths[MHC__CONTRACTION_DEPTHS], depth_count; /* sites, rising */
    int tokens;                                       /* of the maps */
    mhc__contraction maps[MHC__CONTRACTION_MAPS][MHC__CONTRACTION_DEPTHS][MHC__CONTRACTION_SPREADS];
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];
    int choice_count;
    mhc__config config;
    mhc__arm *arms; /* [choice_count] */
    mhc__subject subjects[MHC__CONTRACTION_SUBJECTS];
    int subject_count;
    double seconds; /* of training, and of the maps */
} mhc__contraction_study;

mhc_status mhc__contraction_maps_measure(mhc__contraction_study *study, mhc_error *error);
/* Trains what is not trained, and looks at all models. */
mhc_status mhc__contraction_models(mhc__contraction_study *study, mhc_error *error);
void mhc__contraction_models_free(mhc__contraction_study *study);

/* What the claims are decided by. NaN: not measured. */
typedef struct mhc__contraction_evidence {
    int sites, streams; /* of the models */
    double paper_forward_off, paper_left_start,
        paper_left; /* of `paper`: row sums of the product; left, no logarithm */
    double paper_uniform_ten;
    double paper_rank, hc_rank;
    double paper_cosine, identity_cosine, orthogonal_cosine;
} mhc__contraction_evidence;
mhc__contraction_evidence mhc__contraction_gather(const mhc__contraction_study *study);
enum { MHC__CONTRACTION_CLAIMS = 4 };
extern const mhc__claim mhc__contraction_claims[MHC__CONTRACTION_CLAIMS];

void mhc__contraction_findings(const mhc__contraction_study *study, mhc__html *html);
mhc_status mhc__contraction_map_figures(mhc__contraction_study *study, mhc__html *html, mhc_error *error);
mhc_status mhc__contraction_model_figures(mhc__contraction_study *study, mhc__html *html, mhc_error *error);
mhc_status mhc__contraction_report(mhc__contraction_study *study, mhc_error *error);

#endif
