// Exchanges the token in the URL's fragment for a cookie that scripts cannot read.

/**
 * Call once, before the first request. The fragment leaves the address bar and the history.
 * @returns {Promise<boolean>} false if the token was refused (used before, or of another server)
 */
export async function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return true;
  history.replaceState(null, "", location.pathname + location.search);
  const response = await fetch("/session", { method: "POST", body: token });
  return response.ok;
}
