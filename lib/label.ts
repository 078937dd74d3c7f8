const WORD = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?";
const DOMAIN = "(?=[^/]{1,253}/)[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*/";
const NAME = new RegExp(`^(${DOMAIN})?${WORD}$`);
const LABEL_VALUE = new RegExp(`^(${WORD})?$`);

/** Whether Kubernetes takes it for the name of a label or an annotation. */
export const isQualifiedName = (name: string): boolean => NAME.test(name);

/** Whether Kubernetes takes it for the value of a label. */
export const isLabelValue = (text: string): boolean => LABEL_VALUE.test(text);

/** Whether Kubernetes takes it for a label. */
export const isLabel = (name: string, text: string): boolean => isQualifiedName(name) && isLabelValue(text);
