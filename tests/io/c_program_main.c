/* Runs a program of save_c_program on samples from the standard input:  c_program float | codes
   Compiled with -DPROGRAM_HEADER="..." -DPROGRAM=name -DPROGRAM_CODES=name_codes -DPROGRAM_INPUTS=...
   -DPROGRAM_OUTPUTS=... `float` reads real numbers and writes them, `codes` reads and writes codes. */
#include PROGRAM_HEADER

#include <stdio.h>

#ifdef STET_WITH_CMSIS_NN
int stand_in_calls; /* tests/io/cmsis_stand_in */
#endif

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  if (argv[1][0] == 'f') {
    static float in[PROGRAM_INPUTS], out[PROGRAM_OUTPUTS];
    while (fread(in, sizeof in[0], PROGRAM_INPUTS, stdin) == PROGRAM_INPUTS) {
      if (PROGRAM(in, out) != 0) return 3;
      if (fwrite(out, sizeof out[0], PROGRAM_OUTPUTS, stdout) != PROGRAM_OUTPUTS) return 2;
    }
  } else {
    static int8_t in[PROGRAM_INPUTS], out[PROGRAM_OUTPUTS];
    while (fread(in, 1, PROGRAM_INPUTS, stdin) == PROGRAM_INPUTS) {
      if (PROGRAM_CODES(in, out) != 0) return 3;
      if (fwrite(out, 1, PROGRAM_OUTPUTS, stdout) != PROGRAM_OUTPUTS) return 2;
    }
  }
#ifdef STET_WITH_CMSIS_NN
  if (stand_in_calls == 0) return 4;
#endif
  return 0;
}
