/* Runs a program of save_c_program on a Cortex-M that qemu plays, without an operating system: makes the codes of the samples of
   samples.h, compares them, and counts instructions. Compiled with -DPROGRAM_CODES=name_codes. The boards mps2-an385, -an386 and -an500
   have SysTick at 25 MHz; with -icount shift=0 an instruction takes a nanosecond, so a tick is 40 instructions. */
#include "samples.h"

#include <stdint.h>
#include <string.h>

int PROGRAM_CODES(const int8_t *in, int8_t *out);
int main(void);

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018u)
#define COPROCESSORS (*(volatile uint32_t *)0xE000ED88u)

extern uint32_t stack_end, data_begin, data_end, data_from, bss_begin, bss_end;

static int32_t semihosting(int32_t operation, const void *argument) {
  register int32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}
static void say(const char *text) { (void)semihosting(4, text); }
static void say_number(uint32_t n) {
  char text[11];
  int i = 10;
  text[10] = 0;
  do {
    text[--i] = (char)('0' + n % 10u);
    n /= 10u;
  } while (n != 0);
  say(text + i);
}
static void stop(int failed) {
  static const uint32_t good = 0x20026, bad = 0x20023; /* ADP_Stopped_ApplicationExit, _RunTimeError */
  (void)semihosting(24, (const void *)(uintptr_t)(failed ? bad : good));
  for (;;) {
  }
}

static void fault(void) {
  say("fault\n");
  stop(1);
}

void reset(void) {
  COPROCESSORS |= 0xF00000u; /* the floating-point unit, where there is one */
  __asm__ volatile("dsb\nisb");
  memcpy(&data_begin, &data_from, (size_t)((char *)&data_end - (char *)&data_begin));
  memset(&bss_begin, 0, (size_t)((char *)&bss_end - (char *)&bss_begin));
  stop(main());
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_end, (const void *)reset, (const void *)fault, (const void *)fault, (const void *)fault, (const void *)fault, (const void *)fault};

int main(void) {
  static int8_t out[OUTPUTS];
  uint32_t differing = 0, ticks = 0, empty, begin;
  SYSTICK_RELOAD = 0xFFFFFFu;
  SYSTICK_VALUE = 0;
  SYSTICK_CONTROL = 5;
  begin = SYSTICK_VALUE;
  empty = (begin - SYSTICK_VALUE) & 0xFFFFFFu;
  for (int i = 0; i < SAMPLES; ++i) {
    begin = SYSTICK_VALUE;
    if (PROGRAM_CODES(samples_in + i * INPUTS, out) != 0) differing += OUTPUTS;
    ticks += ((begin - SYSTICK_VALUE) & 0xFFFFFFu) - empty;
    for (int k = 0; k < OUTPUTS; ++k) differing += out[k] != samples_out[i * OUTPUTS + k];
  }
  say_number(SAMPLES);
  say(" samples, ");
  say_number(SAMPLES * OUTPUTS);
  say(" codes, ");
  say_number(differing);
  say(" differing, ");
  say_number(ticks / SAMPLES * 40u);
  say(" instructions each\n");
  return differing != 0;
}
