// Nothing of ours may reach the page as an exception.

/** Do something; what it throws is nobody's matter. */
export function safely(job: () => void): void {
  try {
    job();
  } catch (_) {
    // never into the page
  }
}
