// Repeats an asynchronous refresh while the page is visible; slower after errors.

// refresh(signal) returns the pause in ms until the next one. stop() ends it and aborts what is open.
export function poll(refresh, onError) {
  let timer = 0, stopped = false, failures = 0, running = false, again = false;
  const controller = new AbortController();

  async function run() {
    clearTimeout(timer);
    if (stopped) return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    let pause = 4000;
    try {
      pause = await refresh(controller.signal);
      failures = 0;
      if (!stopped) onError(null);
    } catch (e) {
      if (stopped || controller.signal.aborted) return;
      failures++;
      pause = Math.min(1000 * 2 ** failures, 15000);
      onError(e);
    }
    running = false;
    if (again) {
      again = false;
      run();
    } else if (!document.hidden) {
      timer = setTimeout(run, pause);
    }
  }

  const onVisible = () => {
    if (!document.hidden) run();
  };
  document.addEventListener('visibilitychange', onVisible);
  run();
  return {
    now: run,
    stop() {
      stopped = true;
      clearTimeout(timer);
      controller.abort();
      document.removeEventListener('visibilitychange', onVisible);
    },
  };
}
